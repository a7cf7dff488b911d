import pytest
from tests.golden.compare import ABSENT
from tests.golden.kubectl import Kubectl, explained, find_kubectl, older_failure, older_texts, without_extras
from tests.golden.placeholders import Diff

DRY_RUN = ["create", "deployment", "d", "--dry-run=client", "-o", "yaml"]
NO_TIME = Diff("stdout.documents[0].metadata.creationTimestamp", ABSENT, None)


def test_a_null_creation_timestamp_is_kubectls_own_in_a_client_dry_run_only():
    assert explained(DRY_RUN, (NO_TIME,))
    assert explained(["get", "deployment", "d", "-o", "yaml"], (NO_TIME,)) is None


def test_one_unknown_difference_spoils_the_known_ones():
    assert explained(DRY_RUN, (NO_TIME, Diff("stdout.documents[0].spec.replicas", 1, 2))) is None


@pytest.mark.parametrize(
    ("args", "expected", "seen", "known"),
    [
        (["version"], "Client Version: v1.36.2\n", "Client Version: v1.33.1\n", True),
        (["version"], "Server Version: v1.36.2\n", "Server Version: v1.33.1\n", False),
        (["get", "cm"], "Client Version: v1.36.2\n", "Client Version: v1.33.1\n", False),
        (["version"], "Client Version: v1.36.2\n", ABSENT, False),
    ],
)
def test_versions(args, expected, seen, known):
    assert bool(explained(args, (Diff("stdout line 1", expected, seen),))) == known


def test_a_program_that_does_not_work_is_no_kubectl(tmp_path):
    assert find_kubectl(str(tmp_path / "missing")) is None
    broken = tmp_path / "kubectl"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert find_kubectl(str(broken)) is None
    broken.write_text('#!/bin/sh\necho \'{"clientVersion": {"gitVersion": "v1.36.2"}}\'\n')
    found = find_kubectl(str(broken))
    assert found is not None
    assert found.is_recorded


def test_a_recorded_text_is_said_as_an_older_kubectl_says_it() -> None:
    older, recorded = Kubectl("kubectl", "v1.33.1"), Kubectl("kubectl", "v1.36.2")
    text = 'pod "a" deleted from ns namespace\n'
    assert older_texts(older, ["delete", "pod", "a"], text)[0] == 'pod "a" deleted\n'
    assert older_texts(recorded, ["delete", "pod", "a"], text) == (text, [])
    assert older_texts(older, ["get", "pod", "a"], text) == (text, [])


def test_an_older_kubectl_adds_only_what_the_recording_has_nothing_of() -> None:
    older = Kubectl("kubectl", "v1.33.1")
    seen = "Name: a\nEvents:\n  Type  Reason\n"
    assert without_extras(older, ["describe", "pod"], "Name: a\n", seen)[0] == "Name: a\n"
    assert without_extras(older, ["describe", "pod"], seen, seen) == (seen, [])


TIMED_OUT_33 = (
    'E1121 16:04:52.908515   16675 reflector.go:200] "Failed to watch" err="context deadline exceeded" type=""\n'
)
TIMED_OUT_32 = (
    'E1121 18:32:22.648936   18499 reflector.go:166] "Unhandled Error" err="k8s.io/client-go/tools/watch/'
    'informerwatcher.go:146: Failed to watch *unstructured.Unstructured: context deadline exceeded"\n'
)


@pytest.mark.parametrize(("version", "line"), [("v1.33.1", TIMED_OUT_33), ("v1.32.4", TIMED_OUT_32)])
def test_an_older_kubectl_logs_that_its_watch_has_timed_out(version: str, line: str) -> None:
    older, error = Kubectl("kubectl", version), "error: timed out waiting for the condition\n"
    args = ["delete", "pvc", "data", "--timeout=2s"]
    assert without_extras(older, args, error, line + error)[0] == error
    assert without_extras(older, args[:3], error, line + error)[0] == line + error
    other = line.replace("context deadline exceeded", "forbidden")
    assert without_extras(older, args, error, other + error)[0] == other + error


def test_an_older_kubectl_asks_for_a_version_that_is_gone() -> None:
    older, recorded = Kubectl("kubectl", "v1.33.1"), Kubectl("kubectl", "v1.36.2")
    asked = ["describe", "vac", "fast"]
    found = older_failure(older, asked)
    assert found is not None
    assert found.stderr.endswith("the server could not find the requested resource\n")
    assert older_failure(recorded, asked) is None
    assert older_failure(older, ["get", "vac", "fast"]) is None
    assert older_failure(older, ["describe", "pvc", "vac"]) is None


RACE = "E1121 15:08:39.894933    6366 websocket.go:296] Unknown stream id 1, discarding message\n"


@pytest.mark.parametrize(
    ("args", "place", "expected", "seen", "known"),
    [
        (["exec", "a"], "stderr", ABSENT, RACE, True),
        (["exec", "a"], "stderr", ABSENT, "Unknown stream id 1\n", False),
        (["exec", "a"], "stderr", ABSENT, RACE + "and more\n", False),
        (["exec", "a"], "stderr", "curl: (7) refused\n", RACE, False),
        (["exec", "a"], "stdout", ABSENT, RACE, False),
        (["logs", "a"], "stderr", ABSENT, RACE, False),
    ],
)
def test_an_older_kubectl_may_be_surprised_by_an_empty_message(args, place, expected, seen, known):
    """Had the message not been empty, the output would differ too, and nothing explains that."""
    assert bool(explained(args, (Diff(place, expected, seen),))) == known
    assert explained(args, (Diff(place, expected, seen), Diff("stdout", "200", ""))) is None
