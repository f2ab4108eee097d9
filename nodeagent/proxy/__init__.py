"""Services become kernel rules."""
