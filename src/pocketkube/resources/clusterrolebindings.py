"""ClusterRoleBindings: who may do what a ClusterRole says in the whole cluster. Models
pkg/registry/rbac/clusterrolebinding."""

from __future__ import annotations

from pocketkube.resources.rbac.bindings import BindingKind, binding_columns


class RESOURCE(BindingKind):
    kind = "ClusterRoleBinding"
    plural = "clusterrolebindings"
    namespaced = False
    columns = binding_columns("clusterrolebindings", "clusterRoleBinding")
    roles = ("ClusterRole",)
