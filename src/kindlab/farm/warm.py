"""What the process that all pieces of work are forked from imports first: it notes what is wrong instead of ending, for
who asks it for a process would hear of a closed connection only."""

problem = ""
"""Why what gradings import could not be imported; empty when all is well."""

try:
    import kindlab.farm.preload as _preloaded  # noqa: F401
except Exception as error:
    problem = f"{type(error).__name__}: {error}"
