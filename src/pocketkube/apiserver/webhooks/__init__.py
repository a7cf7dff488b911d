"""Webhooks: programs that are asked about requests (admission), and for objects in other versions (conversion).

Models apiserver/pkg/admission/plugin/webhook and apiextensions-apiserver/pkg/apiserver/conversion. `hooks` follows the
configurations, `reviews` says what is asked and what an answer may be, `asking` asks webhooks about one write,
`calling` speaks to their servers, `conversion` asks for objects in other versions.

Each call has a connection of its own. Left out: audit annotations (there is no audit log), webhooks from files,
metrics, the time that a request may take altogether, names in URLs: a cluster has no network but its own.
"""
