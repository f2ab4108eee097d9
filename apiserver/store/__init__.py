"""Where objects are kept: keys to bytes with revisions, three implementations of one contract."""
