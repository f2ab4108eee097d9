"""What people type, and the one room that puts the others together."""
