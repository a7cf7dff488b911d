"""Flow control: what its two kinds may say, and the objects that every cluster has. No kind lives here."""
