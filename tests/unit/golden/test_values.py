"""What a step sends in the place of a placeholder that `subst` points somewhere."""

import pytest
from tests.golden.connection import Answer
from tests.golden.scenario import Scenario
from tests.golden.values import CannotSend, Values

ATTACHMENTS = [
    {"metadata": {"name": f"csi-{volume}"}, "spec": {"source": {"persistentVolumeName": volume}}} for volume in "ab"
]
CLAIMS = {"data": {"spec": {"volumeName": "b"}}, "lost": {"spec": {"volumeName": "c"}}, "waiting": {"spec": {}}}
ANSWERS = {
    "/apis": {"groups": [{"preferredVersion": {"groupVersion": "storage.k8s.io/v1"}}]},
    "/api/v1": {"resources": [{"kind": "PersistentVolumeClaim", "name": "persistentvolumeclaims", "namespaced": True}]},
    "/apis/storage.k8s.io/v1": {
        "resources": [{"kind": "VolumeAttachment", "name": "volumeattachments", "namespaced": False}]
    },
    "/apis/storage.k8s.io/v1/volumeattachments": {"items": ATTACHMENTS},
    **{f"/api/v1/namespaces/here/persistentvolumeclaims/{name}": claim for name, claim in CLAIMS.items()},
}


class Api:
    def request(self, method, path):
        return Answer(200, [], ANSWERS[path])


@pytest.fixture
def values():
    return Values(Scenario("s", "", "here", ()), Api())


def about(claim, path=".spec.source.persistentVolumeName"):
    return {"subst": {"csi-<id>": f"VolumeAttachment whose {path} is that of claim {claim}"}}


def test_an_object_is_found_by_the_volume_of_a_claim(values):
    assert values.filled(about("data"), "/volumeattachments/csi-<id>") == "/volumeattachments/csi-b"


@pytest.mark.parametrize("step", [about("lost"), about("waiting"), about("data", ".spec.nope")])
def test_where_there_is_none_the_step_cannot_be_sent(values, step):
    with pytest.raises(CannotSend, match="no VolumeAttachment is about claim"):
        values.filled(step, "csi-<id>")


def test_a_live_object_and_an_answer_are_pointed_at(values):
    values.note_answer("earlier", {"metadata": {"name": "x"}})
    step = {"subst": {"<a>": "earlier .metadata.name", "<b>": "PersistentVolumeClaim data .spec.volumeName"}}
    assert values.filled(step, "<a>/<b>") == "x/b"
    with pytest.raises(CannotSend, match="names no step that ran"):
        values.filled({"subst": {"<a>": "later .metadata.name"}}, "<a>")
