"""metrics-server v0.8.1: `program` is its life, `storage` what it keeps, `api` what it answers."""
