"""Tests that drive the connector against a Pylon that answers over real HTTP."""
