"""Custom resources: what a CustomResourceDefinition turns into. Nothing here is loaded before there is one.

`declare` (kind.py) makes a Resource of each version. `definition`, `openapi_schema` and `structural` judge a
definition; `pruning`, `defaulting`, `values`, `lists`, `embedded` and `rules` treat its objects. A schema is the JSON
of `openAPIV3Schema` as it was stored, read with the few functions of `schemas`.
"""
