"""What a cluster is told about webhooks: where they are, what they are asked about, and what may be wrong with that."""
