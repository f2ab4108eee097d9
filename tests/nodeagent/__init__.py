"""Tests of the node agent: its plans alone, its workers with a fake runtime, and all of it with the real one."""
