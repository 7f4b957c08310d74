"""The only part of the connector that speaks HTTP."""
