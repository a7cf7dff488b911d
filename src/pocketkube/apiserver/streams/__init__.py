"""The requests whose answers are streams of bytes: pod logs, exec, attach, port-forward and the proxies."""
