"""Changes to records after they were read and before they are written. No HTTP."""
