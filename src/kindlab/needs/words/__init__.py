"""The words of `needs` in lab.toml: a file for each family of them, with its `WORDS`; all files here are scanned."""
