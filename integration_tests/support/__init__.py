"""What the tests against the sandbox share: how they run the connector, and what it must emit."""
