"""Tests of nodeagent/network."""
