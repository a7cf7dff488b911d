"""The node agent: pods, containers, probes, files and volumes."""
