"""The ingress controller: HTTP from outside to Services by host, path and more, for Ingress and for the Gateway API.

`routes` is what both are translated into and what the reverse proxy serves; nothing else is shared between them.
"""
