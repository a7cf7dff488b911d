"""Replay of transcripts recorded from Kubernetes v1.36.2.

`python -m tests.golden FILE...` sends the recorded requests and kubectl commands of a scenario to a cluster and
compares the answers with the recorded ones. The scenario files in `api/` and `kubectl/` are facts: never edit them.
"""
