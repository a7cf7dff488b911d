"""Services: what their specs may hold, and which addresses and ports they get. No kind lives here."""
