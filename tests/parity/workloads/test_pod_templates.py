"""PodTemplates. After upstream's e2e tests (test/e2e/common/node/podtemplates.go)."""

from __future__ import annotations

from tests.parity.network.support import AGNHOST, Place

from kindlab.api import Obj


def template(name: str, labels: dict[str, str]) -> Obj:
    spec = {"containers": [{"name": "main", "image": AGNHOST}]}
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": meta, "template": {"metadata": {}, "spec": spec}}


def test_its_life(here: Place) -> None:
    label = {"made-by": here.namespace}
    (made,) = here.put(template("one", label))
    chosen = {"labelSelector": f"made-by={here.namespace}"}
    (found,) = here.request("GET", here.api.path("PodTemplate", None), query=chosen)["items"]
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    patched = here.merge("PodTemplate", "one", {"metadata": {"labels": {"a": "b"}}})
    assert patched["metadata"]["labels"] == {**label, "a": "b"}
    live = here.require("PodTemplate", "one")
    live["metadata"]["annotations"] = {"updated": "true"}
    live["template"]["spec"]["restartPolicy"] = "Never"
    replaced = here.request("PUT", here.path("PodTemplate", "one"), live)
    assert replaced["metadata"]["annotations"]["updated"] == "true"
    assert replaced["template"]["spec"]["restartPolicy"] == "Never"
    here.request("DELETE", here.path("PodTemplate", "one"))
    here.gone("PodTemplate")


def test_templates_are_deleted_together(here: Place) -> None:
    label = {"of": "a-set"}
    here.put(*(template(f"t{number}", label) for number in range(3)))
    assert len(here.list("PodTemplate", "of=a-set")) == 3
    here.request("DELETE", here.path("PodTemplate"), query={"labelSelector": "of=a-set"})
    here.gone("PodTemplate")
