"""nginx: its configuration language, its answers, and the program with the image entrypoint."""
