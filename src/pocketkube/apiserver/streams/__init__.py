"""Pod logs, exec and attach: the requests whose answers are streams of bytes."""
