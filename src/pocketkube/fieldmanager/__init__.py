"""Who set which field: managedFields of every write, and server-side apply by them.

Models apimachinery/pkg/util/managedfields and sigs.k8s.io/structured-merge-diff. `shapes` are the types as merging
sees them, `fieldsets` the sets of fields (FieldsV1), `comparing` what a write has changed, `entries` the list in the
metadata, `tracking` what a write makes of it, `merging` and `applying` server-side apply, `configuration` what it
refuses, `writers` what the registry is told.
"""
