"""Webhooks: programs that are asked about requests (admission), and for objects in other versions (conversion).

Models apiserver/pkg/admission/plugin/webhook and apiextensions-apiserver/pkg/apiserver/conversion. `hooks` follows the
configurations, `requests` knows which of them a write concerns, `asking` has them asked, `interview` asks one,
`reviews` says what is asked and what an answer may be, `calling` speaks to their servers, `conversion` asks for objects
in other versions.

Each call has a connection of its own. Left out: audit annotations (there is no audit log), webhooks from files,
metrics, the time that a request may take altogether, names in URLs: a cluster has no network but its own.
"""
