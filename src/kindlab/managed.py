"""How what kindlab makes on a cluster is marked: a learner sees whose it is, and a grader finds what it left behind."""

MANAGED = {"app.kubernetes.io/managed-by": "kindlab"}
SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED.items())
