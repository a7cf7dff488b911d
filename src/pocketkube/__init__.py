"""pocketkube: a Kubernetes-compatible cluster inside one Python process."""
