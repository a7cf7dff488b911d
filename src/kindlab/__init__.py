"""kindlab: labs that grade themselves on a live cluster."""
