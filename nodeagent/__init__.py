"""Making it so on one node."""
