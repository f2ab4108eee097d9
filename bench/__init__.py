"""How fast, how big, against what."""
