"""Image references: the short names people write, and the full ones the container runtime resolves them to."""


def normalise(reference: str) -> str:
    """`nginx` -> `docker.io/library/nginx:latest`, as the container runtime resolves short references."""
    name, separator, digest = reference.partition("@")
    if separator:
        return f"{normalise(name).rsplit(':', 1)[0]}@{digest}"
    first, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}"
    elif first == "docker.io" and "/" not in rest:
        name = f"docker.io/library/{rest}"
    if ":" not in name.rsplit("/", 1)[-1]:
        name = f"{name}:latest"
    return name
