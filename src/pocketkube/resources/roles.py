"""Roles: what may be done in one namespace. Models pkg/registry/rbac/role."""

from __future__ import annotations

from pocketkube.resources.columns import CREATED, NAME, described
from pocketkube.resources.rbac.rules import RoleKind


class RESOURCE(RoleKind):
    kind = "Role"
    plural = "roles"
    columns = described("roles", NAME, CREATED)
