"""How records, states and statuses reach standard output."""
