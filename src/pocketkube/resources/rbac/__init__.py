"""What the kinds of RBAC have in common: the rules of roles, and the subjects and the role of bindings."""
