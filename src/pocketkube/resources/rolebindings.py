"""RoleBindings: who may do in one namespace what a Role or a ClusterRole says. Models pkg/registry/rbac/rolebinding."""

from __future__ import annotations

from pocketkube.resources.rbac.bindings import BindingKind, binding_columns


class RESOURCE(BindingKind):
    kind = "RoleBinding"
    plural = "rolebindings"
    columns = binding_columns("rolebindings", "roleBinding")
    roles = ("Role", "ClusterRole")
