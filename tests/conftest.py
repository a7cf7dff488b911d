"""Fixtures every test may use. `pocket` is one embedded cluster for the whole session, in a home of its own."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kindlab.clusters.base import Status, provider, remember
from kindlab.clusters.pocket import Pocket

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

LIVE = ("course", "durability", "engine", "golden", "kubectl", "notebooks", "parity")
"""Folders whose tests drive other programs against a cluster: an older kubectl, a notebook's kernel, a second process.
Such a program now and then loses a race of its own, so these tests get one second chance; the summary names each that
took it. Those of `unit` get none."""

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process they start would inherit
# that: then tests that press Ctrl-C test nothing.
with contextlib.suppress(ValueError):  # not the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Clusters side by side do not fight for 8080 and 8443, whoever starts them; a test that wants a port asks for one.
os.environ |= {"KINDLAB_HTTP_PORT": "0", "KINDLAB_HTTPS_PORT": "0"}


# A busy machine is slow at making examples, too, and that is no fault of what they test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster",
        choices=["pocket", "kind", "current"],
        default="pocket",
        help="what tests/parity runs against: an embedded cluster, kindlab's kind cluster, or your kubeconfig",
    )
    parser.addoption("--soak-seconds", type=float, default=15.0, help="how long tests/durability/test_soak.py goes on")
    parser.addoption("--soak-pods", type=int, default=120, help="how many Pods it keeps at most")
    parser.addoption("--soak-seed", type=int, help="what it does, of what a failing run has named")
    parser.addoption("--once", action="store_true", help="no second chance for any test: to find those that need one")


def pytest_xdist_auto_num_workers() -> int:
    """Workers of `-n auto`: twice the processors, for most of what tests of a cluster do is wait."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--once"):
        return
    for item in items:
        if item.path.is_relative_to(TESTS) and item.path.relative_to(TESTS).parts[0] in LIVE:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded for the summary (`record_property("summary", text)`), from every worker."""
    reports = (r for group in terminalreporter.stats.values() for r in group if isinstance(r, pytest.TestReport))
    texts = {text for report in reports for name, text in report.user_properties if name == "summary"}
    for text in sorted(map(str, texts)):
        terminalreporter.write_line(text)
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.write_sep("_", f"{report.nodeid} failed the first time")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Status:
    """The cluster that parity tests run against (--cluster)."""
    kind = request.config.getoption("--cluster")
    if kind == "pocket":
        return request.getfixturevalue("pocket")  # type: ignore[no-any-return]
    found = provider(kind).status()
    assert found.ready, f"the {kind} cluster cannot be used: {found.detail}"
    return found


@pytest.fixture(scope="session")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Status]:
    """A running cluster; KINDLAB_HOME and KINDLAB_WORK point at folders of this session."""
    home, work = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(home))
        patch.setenv("KINDLAB_WORK", str(work))
        patch.setenv("KINDLAB_COURSE", str(ROOT))
        patch.delenv("KUBECONFIG", raising=False)
        cluster = Pocket(f"test{os.getpid()}", http_port=0, https_port=0)
        status = cluster.up(lambda text: None)
        remember(status)
        try:
            yield status
        finally:
            cluster.down(lambda text: None)
