"""Tests of nodeagent/dns."""
