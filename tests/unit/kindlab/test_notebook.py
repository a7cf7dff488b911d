"""The magics, with a shell that only remembers what is registered. What they do on a cluster: tests/notebooks."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kindlab
from kindlab import labs, notebook, paths, shown
from kindlab.errors import Problem
from kindlab.kubectl import Completed


class Shell:
    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.magics: dict[tuple[str, str], Callable[..., None]] = {}
        self.handled: tuple[type[BaseException], ...] = ()

    def register_magic_function(self, function: Callable[..., None], kind: str, name: str) -> None:
        self.magics[kind, name] = function

    def set_custom_exc(self, kinds: tuple[type[BaseException], ...], _: Any) -> None:
        self.handled = kinds


class Book:
    """A notebook: runs lines, and keeps what was shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shell = Shell()
        self.shown: list[Any] = []
        monkeypatch.setattr("IPython.display.display", lambda answer, **_: self.shown.append(answer))
        notebook.register(self.shell)

    def run(self, name: str, line: str = "", cell: str | None = None) -> str:
        """What the magic shows, as text."""
        kind = "line_cell" if ("line_cell", name) in self.shell.magics else "line"
        arguments = (line,) if cell is None else (line, cell)
        self.shell.magics[kind, name](*arguments)
        bundle = self.shown[-1]._repr_mimebundle_()
        assert bundle["text/html"]
        return str(bundle["text/plain"])


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KINDLAB_COURSE", str(Path(__file__).resolve().parents[3]))
    monkeypatch.chdir(tmp_path)
    return Book(monkeypatch)


def test_pictures_are_never_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    shown_: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda answer, **_: shown_.append(answer))
    kindlab.load_ipython_extension(Shell())
    bundle = shown_[0]._repr_mimebundle_()
    assert bundle["text/html"].startswith("<style>")
    assert "pre code {white-space:pre;overflow-x:auto;" in bundle["text/html"]
    assert bundle["text/plain"] == ""


def test_every_magic_is_there(book: Book) -> None:
    names = {name for _, name in book.shell.magics}
    assert names >= {
        "check",
        "hint",
        "why",
        "start",
        "solve",
        "reset",
        "apply",
        "kubectl",
        "topology",
        "lab",
        "up",
        "certificate",
    }
    assert Problem in book.shell.handled


@pytest.mark.parametrize(
    "line",
    ["check 02", "start 02", "solve 02", "reset 02", "why svc/web", "topology", "url svc/web", "kubectl get pods"],
)
def test_without_a_cluster_the_way_out_is_shown(book: Book, line: str) -> None:
    book.run("lab", "02")
    name, _, rest = line.partition(" ")
    text = book.run(name, rest)
    assert "is not ready" in text
    assert "kindlab up" in text


def test_the_lab_is_remembered(book: Book) -> None:
    assert "02-services" in book.run("lab", "2")
    assert "02-services" in book.run("lab")


def test_the_lab_is_the_folder_s(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "02-services").mkdir()
    monkeypatch.chdir(tmp_path / "02-services")
    assert "02-services" in book.run("lab")


def test_no_lab_at_all(book: Book) -> None:
    assert "Which lab?" in book.run("lab")


def test_hints_come_one_by_one_and_stop(book: Book) -> None:
    task = labs.find("02").tasks[2]
    texts = [book.run("hint", f"02 {task.id}") for _ in range(len(task.hints) + 1)]
    assert [t.count("\n  ") for t in texts] == [1, 2, 3, 3]
    assert "That was the last one" in texts[-1]
    assert book.run("hint", task.id) == texts[-1]


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("hint", "02 cart-selektor", "has no task cart-selektor"),
        ("hint", "", "A hint for which task?"),
        ("check", "02 --nonsense", "--nonsense"),
        ("check", "servces", "There is no lab 'servces'"),
        ("why", "", "Missing argument"),
        ("apply", "", "Apply which file?"),
        ("apply", "nope.yaml", "There is no file nope.yaml"),
        ("apply", "'nope.yaml", "A quotation mark is missing"),
        ("check", '02 "', "A quotation mark is missing"),
        ("kubectl", "get pods -w", "cannot follow changes"),
        ("kubectl", "port-forward svc/web 8000:80", "In a terminal: kindlab kubectl -- port-forward svc/web 8000:80"),
        ("kubectl", "proxy", "cannot run proxy"),
        ("url", "", "Missing argument"),
    ],
)
def test_mistakes_are_told_and_not_raised(book: Book, name: str, line: str, says: str) -> None:
    book.run("lab", "02")
    assert says in book.run(name, line)


def test_a_long_message_wraps_and_a_table_does_not() -> None:
    fragment = shown.terminal(Completed(1, "NAME  READY\n", "error: it is invalid\n")).html
    table, message = str(fragment).split("NAME  READY")
    assert "white-space:pre;" in table
    assert "pre-wrap" not in table
    assert "white-space:pre-wrap;" in message


def test_a_file_that_was_not_changed_is_not_applied(book: Book) -> None:
    lab = labs.find("02")
    book.run("lab", "02")
    folder = paths.work() / lab.slug
    folder.mkdir(parents=True)
    shutil.copy(lab.folder / "start" / "cart.yaml", folder)
    assert "is still as the lab gave it" in book.run("apply", "cart.yaml")
    (folder / "cart.yaml").write_text("kind: [", encoding="utf-8")
    assert "cart.yaml, line 1" in book.run("apply", "cart.yaml")


def test_a_cell_with_a_mistake_names_its_place_and_is_not_saved(book: Book) -> None:
    book.run("lab", "02")
    assert "web.yaml, line 2, column 6" in book.run("apply", "web.yaml", "kind: Pod\n  bad: indent\n")
    assert not (paths.work() / "02-services" / "web.yaml").exists()


def test_variables_are_filled_in_and_other_braces_left_alone(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(notebook, "status", lambda: None)
    monkeypatch.setattr(
        notebook, "capture", lambda _, space, words: seen.append(words) or Completed(3, "a<b\n", "no\n")
    )
    book.run("lab", "02")
    book.shell.user_ns["address"] = "10.0.0.1"
    text = book.run("kubectl", "get x -o jsonpath={.items[0].a} -p '{\"spec\": {}}' {address} {other} $HOME")
    assert seen == [["get", "x", "-o", "jsonpath={.items[0].a}", "-p", '{"spec": {}}', "10.0.0.1", "{other}", "$HOME"]]
    assert text == "a<b\nno\n(exit code 3)"
    assert "a&lt;b" in book.shown[-1].html


def test_ipython_does_not_fill_in_by_itself(book: Book) -> None:
    assert all(f._ipython_magic_no_var_expand for f in book.shell.magics.values())  # type: ignore[attr-defined]


def test_a_fault_of_ours_is_called_so(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "status", lambda: 1 / 0)
    book.run("lab", "02")
    text = book.run("kubectl", "get pods")
    assert "a fault of kindlab, not yours" in text
    assert "ZeroDivisionError" in text


def test_addresses_can_be_clicked_on() -> None:
    found = shown.addresses(["http://web.example:8080/?a=1&b=2"], ["This machine does not know <web>."])
    assert 'href="http://web.example:8080/?a=1&amp;b=2"' in found.html
    assert "&lt;web&gt;" in found.html
    assert found.text == "http://web.example:8080/?a=1&b=2\nThis machine does not know <web>."
