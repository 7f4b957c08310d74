"""The streams: what each is (`table`), and how each kind of them is read."""
