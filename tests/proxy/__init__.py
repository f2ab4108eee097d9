"""Tests of nodeagent/proxy."""
