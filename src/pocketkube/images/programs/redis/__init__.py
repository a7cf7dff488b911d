"""The programs of the redis image."""
