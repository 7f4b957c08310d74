"""Tests that run the connector against the sandbox, over real HTTP."""
