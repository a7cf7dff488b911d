"""Devices of dynamic resource allocation: what claims, classes and slices may say. No kind lives here."""
