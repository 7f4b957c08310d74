"""The same streams as a plain low-code manifest for Airbyte's CDK, for comparison."""
