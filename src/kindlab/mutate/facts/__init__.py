"""What the oracle finds out, one dimension a file, each with LOOK, which yields facts of a scene, and ORDER.

Those that change nothing come first. volumes.py deletes all Pods, and only what is about that comes later. A new
dimension is a new file; all are scanned."""
