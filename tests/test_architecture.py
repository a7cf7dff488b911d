"""Imports point one way (design, section 2): pure helpers <- resources <- store <- registry, client <- API server,
controllers, scheduler, kubelet, network, images <- cluster. And kindlab knows pocketkube in one module only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

PURE = {
    "addressing",
    "amounts",
    "asked",
    "budgets",
    "claims",
    "clock",
    "cron",
    "descent",
    "duration",
    "errors",
    "fieldmanager",
    "fields",
    "indexes",
    "ipam",
    "objects",
    "patch",
    "placement",
    "podamounts",
    "podphase",
    "podresources",
    "protobuf",
    "quantity",
    "rbac",
    "regex",
    "removal",
    "room",
    "schema",
    "selectors",
    "strategic",
    "sysctls",
    "unanswered",
    "wire",
}
STATE = PURE | {"store", "resources"}
ACCESS = STATE | {"registry", "recorder", "client"}
ALLOWED = {
    **{name: PURE for name in PURE},
    "journal": PURE,
    "store": PURE | {"journal"},
    "resources": STATE,
    "quota": PURE | {"resources"},
    "admission": STATE | {"admission", "quota"},
    "deletion": PURE | {"resources"},
    "registry": STATE | {"admission", "deletion"},
    "recorder": STATE | {"registry"},
    "client": STATE | {"registry", "recorder"},
    "bootstrap": ACCESS,
    "bootstrap_policy": ACCESS,
    "apiserver": ACCESS | {"apiserver", "admission.asking", "admission.expressions", "admission.matching"},
    "controllers": ACCESS | {"controllers", "quota"},
    "scheduler": ACCESS | {"scheduler"},
    "storage": ACCESS | {"storage", "controllers.base", "controllers.finalizers"},
    "network": ACCESS | {"network"},
    "kubelet": ACCESS | {"network", "kubelet", "images.base", "images.references"},
    "images": PURE | {"network", "kubelet", "images"},
    "machines": ACCESS | {"network", "kubelet"},
}
ROOTS = {"cluster", "nursery", "resting", "__main__", "__init__"}
"""The composition root and what starts it may import everything."""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import in a file that runs; those under TYPE_CHECKING do not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            for alias in node.names:
                submodule = SOURCE / Path(*node.module.split(".")) / alias.name
                is_module = submodule.is_dir() or submodule.with_suffix(".py").is_file()
                yield node.lineno, f"{node.module}.{alias.name}" if is_module else node.module


def modules(package: str) -> list[Path]:
    return sorted((SOURCE / package).rglob("*.py"))


@pytest.mark.parametrize("path", modules("pocketkube"), ids=lambda p: str(p.relative_to(SOURCE)))
def test_pocketkube_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(SOURCE / "pocketkube").parts[0].removesuffix(".py")
    if part in ROOTS:
        return
    allowed = ALLOWED.get(part)
    assert allowed is not None, f"{part} is new: say in this test what it may import"
    wrong = []
    for line, module in imports(path):
        top, _, inside = module.partition(".")
        if top == "kindlab":
            wrong.append(f"line {line}: {module}: pocketkube knows nothing of labs")
        if top == "pocketkube" and inside:
            target = inside.split(".")[0]
            if target != part and target not in allowed and inside not in allowed:
                wrong.append(f"line {line}: {module}")
    assert not wrong, f"{part} may not import:\n" + "\n".join(wrong)


@pytest.mark.parametrize("path", modules("kindlab"), ids=lambda p: str(p.relative_to(SOURCE)))
def test_kindlab_knows_pocketkube_in_one_module_only(path: Path) -> None:
    if path == SOURCE / "kindlab" / "clusters" / "pocket.py":
        return
    assert not [f"line {n}: {m}" for n, m in imports(path) if m.partition(".")[0] == "pocketkube"]


CLUSTERS = {"commands", "doctor", "farm", "magics.py"}
"""The parts of kindlab that know which kinds of cluster there are; to all others a cluster is what clusters/base.py
says, and an API."""
APART = {
    "needs/words": {
        "api",
        "checks",
        "conditions",
        "hosts",
        "kinds",
        "managed",
        "quantities",
        "rights",
        "volume_limits",
    },
    "checks": {
        "api",
        "certificates",
        "clock",
        "conditions",
        "endpoints",
        "errors",
        "hosts",
        "ingresses",
        "kinds",
        "managed",
        "needs",
        "selectors",
        "witness",
    },
    "batch/fence": {"api", "checks", "kinds", "labs", "managed", "quantities"},
    "mutate/operators": {"api", "labs", "quantities"},
    "witness.py": set(),
    "clock.py": {"witness"},
    "digests.py": set(),
    "near.py": set(),
    "engines": {"computer"},
    "downloads.py": {"errors", "paths", "transfer"},
    "transfer.py": {"errors"},
    "tools.py": {"downloads", "errors", "paths"},
    "computer.py": set(),
    "naming.py": {"errors"},
    "rights.py": {"api", "errors", "labs"},
}
"""Parts of kindlab that stand for themselves -> the others that they may import."""


def test_a_cluster_is_a_provider_and_an_api_to_most_of_kindlab() -> None:
    names = {path: path.relative_to(SOURCE / "kindlab") for path in modules("kindlab")}
    wrong = [
        f"{name}, line {line}: {module}"
        for path, name in names.items()
        if name.parts[0] not in CLUSTERS | {"clusters"}
        for line, module in imports(path)
        if module.startswith("kindlab.clusters.") and module != "kindlab.clusters.base"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", APART)
def test_parts_of_kindlab_that_stand_for_themselves(part: str) -> None:
    place, own = SOURCE / "kindlab" / part, part.removesuffix(".py").split("/")[0]
    wrong = [
        f"{path.name}, line {line}: {module}"
        for path in ([place] if place.is_file() else sorted(place.rglob("*.py")))
        for line, module in imports(path)
        if module.startswith("kindlab.") and module.split(".")[1] not in APART[part] | {own}
    ]
    assert not wrong, f"{part} may not import:\n" + "\n".join(wrong)


OF_GRADERS = {"grading", "trace", "checks"}
MAY_LOOK_WITH = {"kindlab.checks.door", "kindlab.checks.host", "kindlab.checks.verdict"}
"""Ways in and commands in Pods are found and run as graders do it; what is asked for, and what it means, is not."""


def test_what_judges_graders_looks_with_code_of_its_own() -> None:
    """A mistake of theirs would else be the oracle's too, and be found by nobody. trial.py is where they are run."""
    wrong = [
        f"{path.name}, line {line}: {module}"
        for path in modules("kindlab/mutate")
        for line, module in imports(path)
        if path.name != "trial.py"
        and module.startswith("kindlab.")
        and module.split(".")[1] in OF_GRADERS
        and module not in MAY_LOOK_WITH
    ]
    assert not wrong, "\n".join(wrong)


def test_pytest_is_imported_where_graders_are_run_and_nowhere_else() -> None:
    """It takes a third of a second, and no command but a grading needs it."""
    found = {
        str(path.relative_to(SOURCE / "kindlab"))
        for path in modules("kindlab")
        for _, module in imports(path)
        if module.partition(".")[0] in ("pytest", "_pytest")
    }
    assert found == {"grading/plugin.py", "grading/runner.py", "farm/preload.py", "checks/marks.py"}


def test_every_kind_controller_and_image_is_found_by_a_folder_scan() -> None:
    from pocketkube import controllers, images, resources

    for package, found, name in (
        (resources, resources.scan(), "RESOURCE"),
        (controllers, controllers.scan(), "CONTROLLER"),
        (images, set(images.catalogue().values()), "IMAGE"),
    ):
        folder = Path(str(package.__file__)).parent
        declaring = [
            p for p in folder.glob("*.py") if f"\nclass {name}(" in p.read_text() or f"\n{name} = " in p.read_text()
        ]
        assert len(found) == len(declaring) > 0


def test_no_module_is_longer_than_400_lines() -> None:
    long = {str(p.relative_to(SOURCE)): n for p in SOURCE.rglob("*.py") if (n := len(p.read_text().splitlines())) > 400}
    assert not long, "question these: is each one idea?"


WITNESSED = [
    *(f for f in sorted((SOURCE.parent / "graders").glob("test_*.py"))),
    *(f for part in ("checks", "trace") for f in modules(f"kindlab/{part}") if f.name != "streams.py"),
]
"""streams.py is what is kept, not who keeps: what goes on between the bytes of one exchange is on no tape."""


@pytest.mark.parametrize("path", WITNESSED, ids=lambda p: str(p.relative_to(SOURCE.parent)))
def test_graders_take_time_and_chance_where_they_can_be_kept(path: Path) -> None:
    """What a verdict hangs on is part of the evidence (kindlab.clock); anything else cannot be repeated from it."""
    taken = [
        f"line {line}: {module}"
        for line, module in imports(path)
        if module.split(".")[0] in ("time", "random", "secrets")
    ]
    text = path.read_text(encoding="utf-8")
    taken += [word for word in ("datetime.now(", "datetime.utcnow(", "date.today(") if word in text]
    assert not taken, f"{path.name} goes by a clock or by chance of its own:\n" + "\n".join(taken)
