"""Traefik Proxy: its flags, its files, its log lines; the routing is `network/ingress`."""
