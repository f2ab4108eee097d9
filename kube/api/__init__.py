"""The stable API types, one module per group version."""
