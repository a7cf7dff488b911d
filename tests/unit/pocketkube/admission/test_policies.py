"""Admission policies: what they refuse, warn of and change, by whom they are bound, and with which parameters."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube import objects
from pocketkube.admission.matching import CONNECT, Attributes, Gvk
from pocketkube.admission.policies import Policies
from pocketkube.asked import Asked
from pocketkube.client import Client
from pocketkube.errors import Forbidden, InternalError, StatusError
from pocketkube.objects import Obj
from pocketkube.registry import Registry

DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
CONFIGMAPS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
USER = {"username": "ada", "groups": ["devs"]}


class World:
    """A registry whose writes policies are asked about."""

    def __init__(self) -> None:
        self.registry: Registry = registry()
        for name in ("test", "other"):
            namespace(self.registry, name)
        self.policies = self.registry.policies
        self.told: list[str] = []

    def write(self, resource: str, obj: Obj, *, subresource: str = "", dry_run: bool = False) -> Obj:
        review = self.policies.review(Asked(USER, {"kind": "Options"}, dry_run, self.told.append))
        if self.registry.find(resource, *objects.key(obj)) is None:
            return self.registry.create(resource, obj, review=review, dry_run=dry_run)
        return self.registry.update(resource, obj, subresource=subresource, review=review)

    def remove(self, resource: str, name: str) -> None:
        review = self.policies.review(Asked(USER, warn=self.told.append))
        self.registry.delete(resource, "test", name, review=review)

    def refused(self, resource: str, obj: Obj) -> StatusError:
        with pytest.raises(Forbidden) as caught:
            self.write(resource, obj)
        return caught.value

    def policy(self, *validations: Any, rule: Obj | None = None, name: str = "p", **spec: Any) -> None:
        listed = [{"expression": one} if isinstance(one, str) else one for one in validations]
        rules = {"resourceRules": [{"operations": ["CREATE", "UPDATE"], **DEPLOYMENTS, **(rule or {})}]}
        spec = {"matchConstraints": rules, "validations": listed, **spec}
        self.registry.create("validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})

    def bind(self, *, name: str = "b", policy: str = "p", actions: tuple[str, ...] = ("Deny",), **spec: Any) -> None:
        spec = {"policyName": policy, "validationActions": list(actions), **spec}
        self.registry.create("validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": spec})

    def mutation(self, *mutations: str, rule: Obj | None = None, name: str = "m", **spec: Any) -> None:
        """Expressions that begin with a bracket are JSON patches. Bound by a binding of the same name."""
        made = []
        for text in mutations:
            if text.lstrip().startswith("["):
                made.append({"patchType": "JSONPatch", "jsonPatch": {"expression": text}})
            else:
                made.append({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}})
        rules = {"resourceRules": [{"operations": ["CREATE", "UPDATE"], **DEPLOYMENTS, **(rule or {})}]}
        spec = {"matchConstraints": rules, "mutations": made, "reinvocationPolicy": "Never", **spec}
        self.registry.create("mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
        binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
        self.registry.create("mutatingadmissionpolicybindings", binding)


@pytest.fixture
def world() -> World:
    return World()


def deployment(name: str = "web", replicas: int = 1, space: str = "test", **meta: Any) -> Obj:
    labels = {"app": "web"}
    containers = [{"name": "main", "image": "nginx:1.27"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "namespace": space, **meta}, "spec": spec}


def configmap(name: str = "c", space: str = "test", **data: str) -> Obj:
    return {"metadata": {"name": name, "namespace": space}, "data": data}


# -- validating


def test_a_violation_is_refused_with_what_the_policy_says(world: World) -> None:
    world.policy(
        {"expression": "object.spec.replicas > 1", "message": " more than one, please "},
        {"expression": "false", "message": "never shown"},
    )
    world.bind()
    error = world.refused("deployments", deployment())
    text = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: more than one, please"
    assert error.message == f'deployments.apps "web" is forbidden: {text}'
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.details == {
        "name": "web",
        "group": "apps",
        "kind": "deployments",
        "causes": [{"message": text}],
    }


def test_what_is_as_it_should_be_passes(world: World) -> None:
    world.policy("object.spec.replicas > 1")
    world.bind()
    assert world.write("deployments", deployment(replicas=2))["spec"]["replicas"] == 2
    with pytest.raises(Forbidden, match=r"failed expression: object\.spec\.replicas > 1"):
        world.write("deployments", deployment(replicas=1))


def test_a_policy_without_a_binding_does_nothing(world: World) -> None:
    world.policy("false")
    assert world.policies.review(Asked(USER)) is None
    world.write("deployments", deployment("a"))
    world.bind()
    world.refused("deployments", deployment("b"))
    world.registry.delete("validatingadmissionpolicybindings", "", "b")
    assert world.policies.review(Asked(USER)) is None


def test_a_policy_that_changes_is_asked_as_it_is_now(world: World) -> None:
    world.policy("false")
    world.bind()
    held = objects.copy(world.registry.get("validatingadmissionpolicies", "", "p"))
    held["spec"]["validations"] = [{"expression": "true"}]
    world.registry.update("validatingadmissionpolicies", held)
    world.write("deployments", deployment("a"))
    world.registry.delete("validatingadmissionpolicies", "", "p")
    assert world.policies.review(Asked(USER)) is None


def test_policies_are_in_force_again_after_a_restart(world: World) -> None:
    world.policy("false")
    world.bind()
    assert Policies(world.registry).review(Asked(USER)) is not None


def test_messages_are_made_by_expressions_if_they_can(world: World) -> None:
    for index, (made, shown) in enumerate(
        (
            ("'wants more than ' + string(object.spec.replicas)", "wants more than 1"),
            ("'a' + object.spec.replicas", "plain"),
            ("'two\\nlines'", "plain"),
            ("'  '", "plain"),
        )
    ):
        name = f"p{index}"
        world.policy({"expression": "false", "messageExpression": made, "message": "plain"}, name=name)
        world.bind(name="b", policy=name)
        assert world.refused("deployments", deployment()).message.endswith(f"denied request: {shown}")
        world.registry.delete("validatingadmissionpolicybindings", "", "b")


def test_the_reason_decides_the_code(world: World) -> None:
    world.policy({"expression": "false", "reason": "RequestEntityTooLarge"})
    world.bind()
    error = world.refused("deployments", deployment())
    assert (error.code, error.reason) == (413, "RequestEntityTooLarge")


def test_a_binding_may_warn_or_only_audit(world: World) -> None:
    world.policy({"expression": "false", "message": "no"})
    world.bind(actions=("Warn", "Audit"))
    world.write("deployments", deployment())
    assert world.told == ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    world.bind(name="a", actions=("Audit",))
    world.write("deployments", deployment("second"))
    assert len(world.told) == 2


def test_what_cannot_be_evaluated_goes_by_the_failure_policy(world: World) -> None:
    world.policy("object.spec.nope == 1")
    world.bind()
    why = "expression 'object.spec.nope == 1' resulted in error: no such key: nope"
    assert world.refused("deployments", deployment()).message.endswith(f"denied request: {why}")
    world.policy("object.spec.nope == 1", name="lenient", failurePolicy="Ignore")
    world.registry.delete("validatingadmissionpolicybindings", "", "b")
    world.bind(policy="lenient")
    world.write("deployments", deployment())


def test_match_conditions_keep_requests_from_a_policy(world: World) -> None:
    conditions = [{"name": "not-ada", "expression": "request.userInfo.username != 'ada'"}]
    world.policy("false", matchConditions=conditions)
    world.bind()
    world.write("deployments", deployment())
    world.policy("true", name="broken", matchConditions=[{"name": "c", "expression": "object.nope == 1"}])
    world.bind(name="broken", policy="broken")
    why = "expression 'object.nope == 1' resulted in error: no such key: nope"
    assert world.refused("deployments", deployment("b")).message.endswith(
        f"with binding 'broken' denied request: {why}"
    )


def test_variables_are_put_together(world: World) -> None:
    variables = [
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "odd", "expression": "variables.replicas % 2 == 1"},
    ]
    world.policy("variables.replicas > 1", "variables.odd", variables=variables)
    world.bind()
    world.refused("deployments", deployment(replicas=1))
    world.refused("deployments", deployment(replicas=2))
    world.write("deployments", deployment(replicas=3))


def test_a_binding_narrows_where_a_policy_holds(world: World) -> None:
    world.policy("false")
    world.bind(matchResources={"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "test"}}})
    space = objects.copy(world.registry.get("namespaces", "", "test"))
    space["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = "test"
    world.registry.update("namespaces", space)
    world.refused("deployments", deployment())
    world.write("deployments", deployment(space="other"))


def test_what_is_written_is_what_a_policy_sees(world: World) -> None:
    """With defaults, and of a generated name only its beginning."""
    world.policy(
        "object.spec.strategy.type == 'RollingUpdate'",
        "!has(request.name) && object.metadata.name.startsWith('web-')",
        "request.options.kind == 'Options' && request.dryRun",
        "namespaceObject.metadata.name == 'test'",
        rule={"operations": ["CREATE"]},
    )
    world.bind()
    made = deployment(generateName="web-")
    del made["metadata"]["name"]
    world.write("deployments", made, dry_run=True)


def test_updates_deletions_and_a_status_are_asked_about(world: World) -> None:
    world.policy(
        "request.operation != 'UPDATE' || object.spec.replicas >= oldObject.spec.replicas",
        "request.operation != 'DELETE' || object == null && oldObject.spec.replicas == 0",
        rule={"operations": ["UPDATE", "DELETE"]},
    )
    world.bind()
    held = world.write("deployments", deployment(replicas=2))
    world.refused("deployments", {**objects.copy(held), "spec": {**held["spec"], "replicas": 1}})
    with pytest.raises(Forbidden, match=r"failed expression: request\.operation != 'DELETE'"):
        world.remove("deployments", "web")
    world.policy("object.status.replicas != 9", rule={"resources": ["deployments/status"]}, name="status")
    world.bind(name="status", policy="status")
    with pytest.raises(Forbidden, match=r"object\.status\.replicas != 9"):
        world.write("deployments", {**objects.copy(held), "status": {"replicas": 9}}, subresource="status")


def test_policies_are_not_asked_about_themselves(world: World) -> None:
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    world.policy("false", rule=everything)
    world.bind()
    world.refused("configmaps", configmap())
    spec = {"policyName": "p", "validationActions": ["Warn"]}
    world.write("validatingadmissionpolicybindings", {"metadata": {"name": "later"}, "spec": spec})
    review = world.policies.review(Asked(USER))
    world.registry.delete("validatingadmissionpolicies", "", "p", review=review)


def test_requests_that_write_nothing_are_judged_too(world: World) -> None:
    world.policy(
        "request.operation == 'CONNECT' && object.container != 'secret'",
        rule={"operations": ["CONNECT"], "apiGroups": [""], "resources": ["pods/exec"]},
    )
    world.bind()
    pods = world.registry.resources["pods"]
    options = {"kind": "PodExecOptions", "apiVersion": "v1", "container": "main"}
    kind = Gvk("", "v1", "PodExecOptions")
    request = Attributes(CONNECT, pods, kind, "exec", "test", "p", options, user=USER)
    world.policies.judge(request, None)
    with pytest.raises(Forbidden, match='pods "p" is forbidden'):
        world.policies.judge(
            Attributes(CONNECT, pods, kind, "exec", "test", "p", {**options, "container": "secret"}), None
        )


# -- parameters


def with_params(world: World, **ref: Any) -> None:
    world.policy("object.spec.replicas <= int(params.data.most)", paramKind={"apiVersion": "v1", "kind": "ConfigMap"})
    world.bind(paramRef={"parameterNotFoundAction": "Deny", **ref})


def test_parameters_are_of_the_requests_namespace_or_a_named_one(world: World) -> None:
    with_params(world, name="limits")
    text = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert text in world.refused("deployments", deployment()).message
    world.registry.create("configmaps", configmap("limits", most="2"))
    world.write("deployments", deployment(replicas=2))
    world.refused("deployments", deployment("b", replicas=3))
    world.refused("deployments", deployment(space="other"))
    world.bind(name="named", paramRef={"parameterNotFoundAction": "Deny", "name": "limits", "namespace": "test"})
    world.registry.delete("validatingadmissionpolicybindings", "", "b")
    world.write("deployments", deployment(space="other", replicas=2))


def test_all_selected_parameters_must_agree(world: World) -> None:
    with_params(world, selector={"matchLabels": {"limits": "yes"}}, parameterNotFoundAction="Allow")
    world.write("deployments", deployment("free", replicas=9))
    for name, most in (("a", "5"), ("b", "3")):
        limits = configmap(name, most=most)
        limits["metadata"]["labels"] = {"limits": "yes"}
        world.registry.create("configmaps", limits)
    world.write("deployments", deployment("small", replicas=3))
    world.refused("deployments", deployment("large", replicas=4))


def test_a_kind_of_parameters_that_is_not_there_is_told(world: World) -> None:
    world.policy("params == null", paramKind={"apiVersion": "stable.example.com/v1", "kind": "Limit"})
    world.bind()
    why = "failed to configure policy: failed to find resource referenced by paramKind: "
    message = world.refused("deployments", deployment()).message
    assert message.endswith(f"Policy 'p' denied request: {why}'stable.example.com/v1, Kind=Limit'")


def test_a_binding_may_leave_parameters_out(world: World) -> None:
    world.policy("params == null", paramKind={"apiVersion": "v1", "kind": "ConfigMap"})
    world.bind()
    world.write("deployments", deployment())


def test_parameters_in_a_namespace_need_one(world: World) -> None:
    rule = {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"]}
    world.policy("true", rule=rule, paramKind={"apiVersion": "v1", "kind": "ConfigMap"})
    world.bind(paramRef={"name": "x", "parameterNotFoundAction": "Allow"})
    error = world.refused("storageclasses", {"metadata": {"name": "s"}, "provisioner": "a"})
    assert "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources" in error.message


# -- mutating


def test_a_configuration_is_applied(world: World) -> None:
    world.mutation(
        """Object{
            metadata: Object.metadata{annotations: {"by": "policy"}},
            spec: Object.spec{replicas: object.spec.replicas + 1}
        }"""
    )
    made = world.write("deployments", deployment(annotations={"own": "yes"}))
    assert made["spec"]["replicas"] == 2
    assert made["metadata"]["annotations"] == {"own": "yes", "by": "policy"}
    assert made["metadata"]["uid"]


def test_items_of_a_list_are_merged_by_their_keys(world: World) -> None:
    world.mutation(
        """Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
            containers: [Object.spec.template.spec.containers{name: "proxy", image: "envoy:1"}]}}}}"""
    )
    containers = world.write("deployments", deployment())["spec"]["template"]["spec"]["containers"]
    assert [(one["name"], one["image"]) for one in containers] == [("main", "nginx:1.27"), ("proxy", "envoy:1")]
    assert containers[1]["imagePullPolicy"] == "IfNotPresent"


def test_a_json_patch_is_applied_and_a_test_that_fails_leaves_the_object(world: World) -> None:
    world.mutation(
        """[JSONPatch{op: "test", path: "/spec/replicas", value: 1},
            JSONPatch{op: "replace", path: "/spec/replicas", value: 5},
            JSONPatch{op: "add", path: "/metadata/labels", value: {"a": "b"}}]"""
    )
    made = world.write("deployments", deployment())
    assert (made["spec"]["replicas"], made["metadata"]["labels"]) == (5, {"a": "b"})
    assert world.write("deployments", deployment("b", replicas=3))["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "Object{spec: Object.spec{nope: 1}}",
            "error applying patch: failed to convert patch object to typed object: .spec.nope: "
            "field not declared in schema",
        ),
        (
            "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}",
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: "
            ".spec.selector",
        ),
        (
            "Object{spec: Object.wrong{replicas: 1}}",
            'type mismatch: unexpected type name "Object.wrong", expected "Object.spec", '
            "which matches field name path from root Object type",
        ),
        (
            "Object{spec: Object.spec{replicas: object.nope}}",
            "expression 'Object{spec: Object.spec{replicas: object.nope}}' resulted in error: no such key: nope",
        ),
        (
            "[JSONPatch{op: 'remove', path: '/spec/nope'}]",
            "JSON Patch: remove operation does not apply: /spec/nope",
        ),
    ],
)
def test_what_cannot_be_mutated_is_refused_or_left(world: World, text: str, why: str) -> None:
    world.mutation(text)
    error = world.refused("deployments", deployment())
    assert error.message == f"policy 'm' with binding 'm' denied request: {why}"
    assert (error.code, error.reason) == (403, "Invalid")
    assert (error.details or {})["causes"] == [{"message": error.message}]
    world.registry.delete("mutatingadmissionpolicies", "", "m")
    world.registry.delete("mutatingadmissionpolicybindings", "", "m")
    world.mutation(text, failurePolicy="Ignore")
    world.write("deployments", deployment())


def test_a_patch_may_not_add_what_is_unknown(world: World) -> None:
    world.mutation("[JSONPatch{op: 'add', path: '/spec/nope', value: 1}]")
    with pytest.raises(InternalError, match=r'strict decoding error: unknown field "spec.nope"'):
        world.write("deployments", deployment())


def test_policies_change_an_object_one_after_the_other(world: World) -> None:
    """In the order of their names; the first is asked again only if it wants to be."""
    for policy, added in (("Never", 1), ("IfNeeded", 2)):
        world = World()
        first = "Object{spec: Object.spec{replicas: object.spec.replicas + 1}}"
        world.mutation(first, name="a", reinvocationPolicy=policy)
        second = "Object{metadata: Object.metadata{labels: {'seen': string(object.spec.replicas)}}}"
        world.mutation(second, name="b")
        made = world.write("deployments", deployment())
        assert made["metadata"]["labels"] == {"seen": "2"}
        assert made["spec"]["replicas"] == 1 + added


def test_mutations_are_judged_and_take_parameters_and_variables(world: World) -> None:
    variables = [{"name": "most", "expression": "int(params.data.most)"}]
    world.mutation(
        "Object{spec: Object.spec{replicas: variables.most}}",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        variables=variables,
        matchConditions=[{"name": "too-many", "expression": "object.spec.replicas > int(params.data.most)"}],
    )
    held = objects.copy(world.registry.get("mutatingadmissionpolicybindings", "", "m"))
    held["spec"]["paramRef"] = {"name": "limits", "parameterNotFoundAction": "Deny"}
    world.registry.update("mutatingadmissionpolicybindings", held)
    text = "policy 'm' with binding 'm' denied request: failed to configure binding: no params found"
    error = world.refused("deployments", deployment())
    assert error.message.startswith(text)
    assert (error.code, error.reason) == (403, "Forbidden")
    world.registry.create("configmaps", configmap("limits", most="3"))
    assert world.write("deployments", deployment("few", replicas=2))["spec"]["replicas"] == 2
    assert world.write("deployments", deployment("many", replicas=9))["spec"]["replicas"] == 3
    world.policy("object.spec.replicas < 3")
    world.bind()
    world.refused("deployments", deployment("again", replicas=9))


def test_an_update_that_is_undone_writes_nothing(world: World) -> None:
    world.mutation("Object{spec: Object.spec{replicas: 3}}")
    made = world.write("deployments", deployment())
    again = objects.copy(made)
    again["spec"]["replicas"] = 7
    assert world.write("deployments", again)["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_every_version_is_mutated_when_equivalent(world: World) -> None:
    rule = {"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["horizontalpodautoscalers"]}
    world.mutation("Object{spec: Object.spec{targetCPUUtilizationPercentage: 50}}", rule=rule)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": 3}
    made = world.write("horizontalpodautoscalers", {"metadata": {"name": "h", "namespace": "test"}, "spec": spec})
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50


def test_components_are_asked_about_too(world: World) -> None:
    """By the names under which they write in a cluster made by kubeadm."""
    rule = {"apiGroups": [""], "resources": ["configmaps"]}
    expected = {
        Client(world.registry, "root-ca-certificate-publisher"): (
            "system:serviceaccount:kube-system:root-ca-certificate-publisher"
        ),
        Client(world.registry, "kubelet", "worker"): "system:node:worker",
        Client(world.registry, "default-scheduler"): "system:kube-scheduler",
    }
    world.policy("false", rule=rule | {"operations": ["*"]}, matchConditions=[])
    world.bind()
    for client in expected:
        with pytest.raises(Forbidden):
            client.create("configmaps", configmap())
    world.registry.delete("validatingadmissionpolicies", "", "p")
    told = {"expression": "false", "messageExpression": "request.userInfo.username"}
    world.policy(told, rule=rule | {"operations": ["*"]})
    for client, name in expected.items():
        with pytest.raises(Forbidden, match=f"denied request: {name}$"):
            client.create("configmaps", configmap())
    held = Client(world.registry, "pocketkube").create("configmaps", configmap())  # what makes the cluster may
    client = next(iter(expected))
    for attempt in (
        lambda: client.update("configmaps", objects.copy(held)),
        lambda: client.patch("configmaps", ("test", "c"), lambda obj: obj.update(data={})),
        lambda: client.delete("configmaps", ("test", "c")),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_an_event_that_a_policy_refuses_is_dropped(world: World) -> None:
    world.policy("false", rule={"apiGroups": ["", "events.k8s.io"], "resources": ["events"]})
    world.bind()
    held = world.registry.create("configmaps", configmap())
    Client(world.registry, "tester").record(held, "Normal", "Tried", "and tried again")
    assert world.registry.objects("events") == []


def test_custom_resources_are_judged_and_mutated_by_their_schemas(world: World) -> None:
    properties = {"size": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    versions = [
        {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema}}
        for name in ("v1", "v1beta1")
    ]
    names = {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    made = world.registry.create("customresourcedefinitions", {"metadata": {"name": "boats.example.com"}, "spec": spec})
    status = {
        "acceptedNames": names,
        "storedVersions": ["v1"],
        "conditions": [{"type": "Established", "status": "True"}],
    }
    world.registry.update("customresourcedefinitions", {**objects.copy(made), "status": status}, subresource="status")
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v1beta1"], "resources": ["boats"]}
    world.mutation("Object{spec: Object.spec{size: object.spec.size + 1}}", rule=rule)
    world.policy("object.apiVersion == 'example.com/v1beta1' && object.spec.size < 3", rule=rule)
    world.bind()
    boat = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "b", "namespace": "test"}}
    assert world.write("boats.example.com", {**boat, "spec": {"size": 1}})["spec"]["size"] == 2
    boat["metadata"] = {"name": "c", "namespace": "test"}
    assert "object.spec.size < 3" in world.refused("boats.example.com", {**boat, "spec": {"size": 2}}).message
    world.mutation("Object{spec: Object.spec{sails: 1}}", rule=rule, name="wrong")
    boat["metadata"] = {"name": "d", "namespace": "test"}
    error = world.refused("boats.example.com", {**boat, "spec": {"size": 0}})
    assert error.message.endswith(".spec.sails: field not declared in schema")


def test_a_scheduler_sends_a_binding(world: World) -> None:
    world.registry.create("nodes", {"metadata": {"name": "n"}})
    spec = {"containers": [{"name": "c", "image": "busybox"}]}
    world.registry.create("pods", {"metadata": {"name": "p", "namespace": "test"}, "spec": spec})
    told = "request.operation + ' ' + request.kind.kind + ' ' + request.name + ' to ' + object.target.name"
    rule = {"apiGroups": [""], "resources": ["pods/binding"], "operations": ["*"]}
    world.policy({"expression": "false", "messageExpression": told}, rule=rule)
    world.bind()
    world.mutation("Object{metadata: Object.metadata{labels: {'a': 'b'}}}", rule={**rule, "operations": ["CREATE"]})
    scheduler = Client(world.registry, "default-scheduler")
    with pytest.raises(Forbidden, match="denied request: CREATE Binding p to n"):
        scheduler.patch("pods", ("test", "p"), lambda pod: pod["spec"].update(nodeName="n"), subresource="binding")
