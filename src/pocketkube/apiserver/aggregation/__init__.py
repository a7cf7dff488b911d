"""The aggregation layer: groups and versions that another server answers for, a program behind a Service.

Models kube-aggregator/pkg/apiserver: `servers` knows the APIServices and speaks to their servers, `serving` passes
requests on. Whether a server is available is the availability controller's work (controllers/apiserviceavailability).
Left out: OpenAPI documents of other servers, the whole core group ("v1.") from another one, Services of type
ExternalName.
"""
