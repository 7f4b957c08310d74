"""How each kind of stream is read."""
