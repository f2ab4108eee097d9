"""Which number each field has in protobuf, one module per group version."""
