"""One file a verb, each with a click command named COMMAND; the stand-in finds them by name."""
