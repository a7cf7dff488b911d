"""One file a check: it has a CHECK, and is found by a folder scan."""
