"""What a cluster can do, by a cluster that is made of what the tests put into it: which word finds what, what is kept
and for how long, and which tasks of a lab are left when something is lacking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from kindlab import addons, labs, needs
from kindlab.api import Api, ApiError, Unreachable
from kindlab.checks.images import not_pulled
from kindlab.checks.verdict import CouldNotGrade
from kindlab.needs import NEEDS, Found, Need, grouped, kept, overview, probed, shared, wanting
from kindlab.needs.words import entry

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path / "home"))


class Listing:
    """An API that has only these objects; other kinds are not served. `refuses`: what the API server answers to
    requests whose path contains a key; `may`: the rights."""

    server = "https://nowhere"

    def __init__(
        self, objects: dict[str, list[dict[str, Any]]] | None = None, may: Callable[[str, str, str], bool] | None = None
    ) -> None:
        self.objects = objects or {}
        self.may = may or (lambda verb, resource, namespace: True)
        self.refuses: dict[str, ApiError] = {}
        self.sent: list[tuple[str, str]] = []

    def list(self, kind: str, namespace: str | None = None, **_: str) -> list[dict[str, Any]]:
        name = kind.partition(".")[0]
        for key, error in self.refuses.items():
            if key == name:
                raise error
        if name not in self.objects:
            raise ApiError(404, "NotFound", f"no kind {kind}")
        return self.objects[name]

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        return {"metadata": {"name": name, "uid": f"uid of {name}"}}

    def exchange(self, what: dict[str, Any], ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return ask()

    def path(self, kind: str, namespace: str | None = None, name: str = "") -> str:
        return f"/{kind}/{namespace}"

    def request(self, method: str, path: str, body: Any = None, *, query: Any = None, **_: Any) -> dict[str, Any]:
        self.sent.append((method, path))
        for key, error in self.refuses.items():
            if key in path:
                raise error
        if path.endswith("selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (asked["resource"], asked["subresource"])))
            return {"status": {"allowed": self.may(asked["verb"], resource, asked["namespace"])}}
        return {}


def found(word: str, cluster: Listing | None = None, space: str = "") -> Found:
    return probed(cast(Api, cluster or Listing()), [word], space, patient=False)[word]


def among(word: str, **objects: list[dict[str, Any]]) -> Found:
    """What is found on a cluster that has these objects."""
    return found(word, Listing(objects))


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **more.pop("metadata", {})}, **more}


FORBIDDEN = ApiError(403, "Forbidden", "nodes is forbidden: User alice cannot list it")


# -- the words


def test_every_word_of_a_lab_is_known_and_every_word_that_none_names_is_one_that_all_need() -> None:
    every = {word for lab in labs.all_labs() for word in needs.named(lab)}
    assert every <= NEEDS.keys()
    assert NEEDS.keys() - every == set(overview.EVERY)


def test_every_addon_that_is_advised_exists_and_brings_the_word() -> None:
    for need in NEEDS.values():
        advised = need.how_to_get.partition("kindlab addons install ")[2]
        names = [addon.name for addon in addons.all_addons()]
        wanted = [word.strip(",.:;") for word in advised.split()]
        first = [word for word in wanted if word in names]
        if advised:
            assert first, need
            assert any(need.word in addons.find(name).gives for name in first), need


def test_an_ingress_controller_must_be_of_the_class_the_labs_name_and_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    of_traefik = {"IngressClass": [named("traefik", spec={"controller": "traefik.io/ingress-controller"})]}
    spec = {"clusterIP": "10.96.0.9", "ports": [{"port": 80}], "selector": {"a": "b"}}
    service = named("traefik", metadata={"namespace": "traefik"}, spec=spec)
    ready = named("traefik-1", status={"conditions": [{"type": "Ready", "status": "True"}]})
    assert among("ingress", **of_traefik, Service=[service], Pod=[ready]).has
    other = among("ingress", IngressClass=[named("nginx", spec={"controller": "k8s.io/ingress-nginx"})])
    assert (other.has, other.sure, other.why) == (False, True, "the IngressClasses there are: nginx")
    starting = among("ingress", **of_traefik, Service=[service], Pod=[])
    assert (starting.has, starting.sure) == (False, False)
    gone = among("ingress", **of_traefik, Service=[], Pod=[])
    assert (gone.has, gone.sure) == (False, True)


def test_a_gateway_class_must_be_accepted() -> None:
    def with_class(*conditions: dict[str, str]) -> Found:
        spec = {"controllerName": "traefik.io/gateway-controller"}
        return among("gateway", GatewayClass=[named("traefik", spec=spec, status={"conditions": list(conditions)})])

    assert with_class({"type": "Accepted", "status": "True"}).has
    assert not with_class({"type": "Accepted", "status": "False"}).has
    assert not with_class().sure
    assert found("gateway").why == "the API server does not know the Gateway API"
    assert among("gateway", GatewayClass=[]).why == "there is no GatewayClass"


@pytest.mark.parametrize(
    ("code", "has", "sure"), [(0, True, True), (404, False, True), (503, False, False), (500, False, False)]
)
def test_metrics_that_do_not_answer_yet_are_no_sure_answer(code: int, has: bool, sure: bool) -> None:
    cluster = Listing()
    if code:
        cluster.refuses["metrics.k8s.io"] = ApiError(code, "Reason", "said")
    answer = found("metrics", cluster)
    assert (answer.has, answer.sure) == (has, sure)


def test_who_may_not_read_metrics_of_nodes_is_told_that_somebody_serves_them() -> None:
    cluster = Listing()
    cluster.refuses["v1beta1/nodes"] = ApiError(403, "Forbidden", "no")
    assert found("metrics", cluster).has


def test_snapshots_need_two_classes_of_one_driver() -> None:
    local, hostpath = (
        named("standard", provisioner="rancher.io/local-path"),
        named("csi", provisioner="hostpath.csi.k8s.io"),
    )
    snapclass = named("snap", driver="hostpath.csi.k8s.io")
    assert among("snapshots", StorageClass=[local, hostpath], VolumeSnapshotClass=[snapclass]).has
    assert not among("snapshots", StorageClass=[local], VolumeSnapshotClass=[snapclass]).has
    assert not among("snapshots", StorageClass=[local, hostpath], VolumeSnapshotClass=[]).has
    assert among("snapshots", StorageClass=[local, hostpath]).why == "the API server does not know VolumeSnapshots"


def test_expansion_needs_a_class_that_allows_it_and_its_driver() -> None:
    growing = named("csi", provisioner="hostpath.csi.k8s.io", allowVolumeExpansion=True)
    driver = named("hostpath.csi.k8s.io")
    assert among("expansion", StorageClass=[growing], CSIDriver=[driver]).has
    assert not among("expansion", StorageClass=[{**growing, "allowVolumeExpansion": False}], CSIDriver=[driver]).has
    assert not among("expansion", StorageClass=[growing], CSIDriver=[]).has  # removed, and its class left behind


def csi_node(name: str, **said: Any) -> dict[str, Any]:
    return named(name, spec={"drivers": [{"name": "hostpath.csi.k8s.io", **said}]})


def test_volume_limits_need_a_class_whose_driver_says_how_many_a_node_takes_and_few_enough_to_fill_it() -> None:
    classes = [named("csi", provisioner="hostpath.csi.k8s.io")]
    bare = named("bare", spec={"drivers": None})
    few, many = csi_node("a", allocatable={"count": 16}), csi_node("a", allocatable={"count": 128})
    assert among("volume-limits", StorageClass=classes, CSINode=[bare, few]).has
    assert not among("volume-limits", StorageClass=classes, CSINode=[bare, csi_node("a")]).has
    assert not among("volume-limits", StorageClass=classes, CSINode=[many]).has
    assert not among("volume-limits", StorageClass=[], CSINode=[few]).has


def test_the_driver_of_the_labs_needs_its_class_and_a_node_on_which_it_runs() -> None:
    classes = [named("csi-hostpath-sc", provisioner="hostpath.csi.k8s.io")]
    assert among("hostpath", StorageClass=classes, CSINode=[csi_node("a")]).has
    stopped = among("hostpath", StorageClass=classes, CSINode=[named("a", spec={"drivers": None})])
    assert (stopped.has, stopped.sure) == (False, False)
    assert among("hostpath", StorageClass=[named("ebs", provisioner="ebs.csi.aws.com")]).sure
    unseen = Listing({"StorageClass": classes})
    unseen.refuses["CSINode"] = FORBIDDEN
    assert found("hostpath", unseen).has


def test_a_default_class_must_be_marked_and_make_its_volumes() -> None:
    marked = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    assert among("default-class", StorageClass=[named("a", metadata=marked, provisioner="rancher.io/local-path")]).has
    assert not among("default-class", StorageClass=[named("a", provisioner="rancher.io/local-path")]).has
    by_hand = named("a", metadata=marked, provisioner="kubernetes.io/no-provisioner")
    assert not among("default-class", StorageClass=[by_hand]).has


def node(name: str, zone: str = "", taint: str = "", *, ready: bool = True) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    spec = {"taints": [{"effect": taint}]} if taint else {}
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    return named(name, metadata={"labels": labels}, spec=spec, status=status)


def test_nodes_count_when_they_are_ready_and_workers_when_pods_are_put_there() -> None:
    control, first, second = node("c", taint="NoSchedule"), node("a", "zone-a"), node("b", "zone-b")
    assert among("two-nodes", Node=[control, first]).has
    assert not among("two-nodes", Node=[control, node("a", ready=False)]).has
    assert not among("two-nodes", Node=[control, node("d", taint="NoExecute")]).has
    assert among("two-workers", Node=[first, second]).has
    assert not among("two-workers", Node=[control, first]).has
    assert among("zones", Node=[first, second]).has
    assert not among("zones", Node=[node("a", "eu-1"), node("b", "eu-2")]).has
    assert not among("zones", Node=[second]).has


def test_a_crowd_needs_room_on_the_nodes_and_no_quota_against_it() -> None:
    def crowd(each: str, **hard: str) -> Found:
        workers = [{**node(name), "status": {**node(name)["status"], "allocatable": {"pods": each}}} for name in "ab"]
        quota = named("class", spec={"hard": hard})
        return found("many-pods", Listing({"Node": workers, "ResourceQuota": [quota]}), "alice-04")

    assert crowd("110").has
    assert crowd("110", **{"requests.cpu": "4", "count/pods": "200"}).has
    assert crowd("30").why == "the nodes that take ordinary Pods have room for 60 in all"
    assert crowd("110", pods="50").why == "ResourceQuota class of namespace alice-04 allows 50"


def test_who_may_not_ask_has_it_not_and_is_told_by_whom_it_was_refused() -> None:
    for word in ("nodes", "two-workers", "zones"):
        cluster = Listing()
        cluster.refuses["Node"] = FORBIDDEN
        answer = found(word, cluster)
        assert (answer.has, answer.sure) == (False, True)
        assert "cannot list it" in answer.why
        assert answer.how_to_get == NEEDS[word].how_to_get


@pytest.mark.parametrize("word", ["pods", "host-network", "host-path", "roles"])
def test_what_admission_refuses_is_asked_by_a_dry_run_in_the_labs_own_namespace(word: str) -> None:
    cluster = Listing()
    assert found(word, cluster, "alice-05").has
    assert all("alice-05" in path for method, path in cluster.sent if "review" not in path)
    cluster.refuses["alice-05"] = ApiError(403, "Forbidden", 'violates PodSecurity "baseline:latest"')
    refused = found(word, cluster, "alice-05")
    assert (refused.has, refused.sure) == (False, True)
    assert "baseline:latest" in refused.why


@pytest.mark.parametrize(
    "message",
    [
        'pods "kindlab-try" is forbidden: exceeded quota: mine, requested: pods=1, used: pods=3, limited: pods=3',
        'pods "kindlab-try" is forbidden: failed quota: mine: must specify limits.cpu for: try',
        'pods "kindlab-try" is forbidden: maximum cpu usage per Container is 1m. No limit is specified',
        'pods "kindlab-try" is forbidden: minimum memory usage per Pod is 1Ti, but request is 0',
    ],
)
def test_a_limit_that_the_learner_may_have_set_takes_no_task_out_of_the_points(message: str) -> None:
    cluster = Listing()
    cluster.refuses["alice-05"] = ApiError(403, "Forbidden", message)
    refused = found("host-network", cluster, "alice-05")
    assert (refused.has, refused.sure) == (False, False)
    assert message in refused.why
    assert "kubectl get resourcequota,limitrange -n alice-05" in refused.how_to_get


def test_rights_are_asked_where_they_are_needed() -> None:
    asked: list[tuple[str, str, str]] = []

    def only_in_alices(verb: str, resource: str, namespace: str) -> bool:
        asked.append((verb, resource, namespace))
        return namespace == "alice-04" and resource != "endpointslices"

    cluster = Listing(may=only_in_alices)
    assert found("evictions", cluster, "alice-04").has
    slices = found("endpointslices", cluster, "alice-04")
    assert not slices.has
    assert "create endpointslices.discovery.k8s.io or delete endpointslices" in slices.why
    assert "admin does not have it" in slices.how_to_get
    for word in ("persistent-volumes", "storage-classes", "snapshot-classes", "everywhere", "volumes"):
        assert not found(word, cluster, "alice-04").has
    assert ("create", "pods/eviction", "alice-04") in asked
    assert ("create", "persistentvolumes", "") in asked


# -- what is not sure, and what is kept


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Found | Exception]]:
    """A word `trial`, tried; its answers are taken from this list, the last one again and again."""
    answers: list[Found | Exception] = []

    def probe(api: Api, space: str) -> Found:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setitem(NEEDS, "trial", Need("trial", "luck", probe, "Wait.", tried=True))
    monkeypatch.setitem(NEEDS, "look", Need("look", "luck", probe, "Wait."))
    return answers  # type: ignore[return-value]


def test_what_could_not_be_found_out_is_lacking_and_not_kept(trial: list[Found | Exception]) -> None:
    trial += [CouldNotGrade("no Pod of ours gets ready"), Found(True, "it went well")]
    first = found("trial")
    assert (first.has, first.sure, first.how_to_get) == (False, False, "Wait.")
    assert "no Pod of ours gets ready" in first.why
    assert found("trial").has


def test_a_cluster_that_is_gone_is_no_answer(trial: list[Found | Exception]) -> None:
    trial.append(Unreachable("The cluster does not answer."))
    with pytest.raises(Unreachable):
        found("trial")


def test_an_answer_holds_for_a_while_what_is_lacking_not_for_long(
    trial: list[Found | Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial += [Found(False, "not yet"), Found(True, "now"), Found(False, "no more")]
    start = time.time()
    after = 0.0
    monkeypatch.setattr(time, "time", lambda: start + after)
    assert found("trial").why == "not yet"
    after = kept.LACKS - 1
    assert found("trial").why == "not yet"
    after = kept.LACKS + 1
    assert found("trial").why == "now"
    after += kept.HAS - 1
    assert found("trial").why == "now"
    after = 0.0  # the clock was set back: nothing that it says can be believed
    assert found("trial").why == "no more"


def test_kept_answers_belong_to_one_cluster_and_can_be_forgotten(trial: list[Found | Exception]) -> None:
    trial += [Found(True, "first"), Found(True, "second"), Found(True, "third")]

    class Other(Listing):
        def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
            return {"metadata": {"uid": "another"}}

    assert found("trial").why == "first"
    assert found("trial", Other()).why == "second"
    assert found("trial").why == "first"
    kept.forget(cast(Api, Listing()))
    assert found("trial").why == "third"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 2, "found": {}}', '{"found": {"a": 1}}'])
def test_a_damaged_file_of_answers_is_none(trial: list[Found | Exception], text: str) -> None:
    trial.append(Found(True, "tried"))
    file = kept.file(cast(Api, Listing()))
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert found("trial").why == "tried"
    assert kept.answers(cast(Api, Listing()))["trial"].has


def test_what_may_still_be_starting_is_waited_for(
    trial: list[Found | Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "AGAIN", 0.0)
    trial += [Found(False, "starting", sure=False), Found(False, "starting", sure=False), Found(True, "there")]
    assert probed(cast(Api, Listing()), ["look"])["look"].why == "there"


# -- a load balancer


class Balancing:
    """An API in which a Service of ours gets an address, or events, or neither."""

    def __init__(self, address: str = "", event: str = "", type: str = "Normal") -> None:
        self.address, self.event, self.type = address, event, type
        self.there: dict[str, dict[str, Any]] = {}
        self.followed = 0

    def create(self, obj: dict[str, Any], namespace: str | None = None) -> dict[str, Any]:
        self.there[obj["metadata"]["name"]] = obj
        return obj

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        del self.there[name]

    def follow(self, kind: str, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        self.followed += 1
        late = self.event and self.followed < 3
        given = [{"ip": self.address}] if self.address and not late else []
        yield {"one": {"status": {"loadBalancer": {"ingress": given}}}}

    def list(self, kind: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return [{"message": self.event, "type": self.type}] if self.event else []


def balanced(monkeypatch: pytest.MonkeyPatch, **cluster: str) -> Found:
    monkeypatch.setattr(entry, "QUICK", 0.0)
    monkeypatch.setattr(entry, "BUSY", 60.0)
    api = Balancing(**cluster)
    answer = entry._load_balancer(cast(Api, api), "")
    assert api.there == {}, "what was tried is removed"
    return answer


def test_a_load_balancer_is_one_that_gives_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert balanced(monkeypatch, address="172.18.255.200").has
    nobody = balanced(monkeypatch)
    assert not nobody.has
    assert "nobody has said a word" in nobody.why


def test_who_is_at_work_on_the_address_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert balanced(monkeypatch, address="34.1.2.3", event="Ensuring load balancer").has
    failed = balanced(monkeypatch, event="no available IPs", type="Warning")
    assert not failed.has
    assert "within 0 s" in failed.why, "whoever has given up gets no more time"
    assert "no available IPs" in failed.why


# -- labs


def without(slug: str, *words: str, unsure: str = "") -> dict[str, needs.Wanting]:
    """Task -> what it wants, on a cluster that lacks these words."""
    lab = labs.find(slug)
    answers = {word: Found(word not in words, f"{word} was seen", sure=word != unsure) for word in NEEDS}
    return wanting(lab, answers)


def test_only_the_tasks_that_need_it_are_lost() -> None:
    assert without("05").keys() == set()
    assert without("05", "load-balancer").keys() == {"programme-load-balancer"}
    assert without("06", "gateway").keys() == {"canary-weight"}
    assert without("06", "ingress").keys() == {task.id for task in labs.find("06").tasks}


def test_tasks_that_want_the_same_are_said_together() -> None:
    groups = grouped(without("16", "metrics", "network-policy"))
    assert [tasks for tasks, _ in groups] == [["tenants", "payment-policy", "neighbours"], ["autoscaling"]]
    why = groups[1][1].why
    assert why == "It needs metrics of Pods, but metrics was seen."


def test_a_sure_lack_is_enough_whatever_else_is_not_known() -> None:
    both = without("16", "ingress", "network-policy", unsure="network-policy")
    assert both["tenants"].sure
    assert "network-policy" not in both["tenants"].why
    assert not both["payment-policy"].sure
    assert both["payment-policy"].why


def test_a_word_that_there_is_not_is_refused_with_the_near_one() -> None:
    with pytest.raises(Exception, match="metric ") as refused:
        overview.checked(["metric"])
    assert "metrics?" in str(refused.value)
    assert overview.checked([]) == list(NEEDS)


def test_a_lab_says_what_a_word_decides() -> None:
    row = overview.Row(NEEDS["gateway"], Found(True, ""), {"06-ingress": ["canary-weight"]})
    assert row.decides == "canary-weight of lab 06"
    lab = labs.find("08")
    whole = replace(row, tasks={lab.slug: [task.id for task in lab.tasks]})
    assert whole.decides == "lab 08"


# -- images


def test_an_image_that_cannot_be_pulled_is_named_with_what_the_kubelet_says() -> None:
    def pod(**waiting: str) -> dict[str, Any]:
        spec = {"containers": [{"name": "web", "image": "nginx:1.27"}]}
        return {"spec": spec, "status": {"containerStatuses": [{"name": "web", "state": {"waiting": waiting}}]}}

    said = not_pulled(pod(reason="ImagePullBackOff", message="Back-off pulling image: dial tcp: lookup docker.io"))
    assert said == "image nginx:1.27 cannot be pulled: Back-off pulling image: dial tcp: lookup docker.io"
    assert not_pulled(pod(reason="InvalidImageName")) == "image nginx:1.27 cannot be pulled: InvalidImageName"
    assert not_pulled(pod(reason="ContainerCreating")) == not_pulled({}) == ""


def test_what_only_one_learner_of_a_shared_cluster_can_have_is_said_to_each() -> None:
    noted = {lab.number: shared.said(lab.under("alice")) for lab in labs.all_labs()}
    assert {number for number, text in noted.items() if text} == {"05", "06", "07", "16"}
    assert noted["05"].startswith("The node ports of lab 05 belong to the whole cluster")
    assert noted["06"].startswith("The host names of lab 06 belong to the whole cluster")
    assert not any(shared.said(lab) for lab in labs.all_labs()), "who has a cluster alone shares nothing"
