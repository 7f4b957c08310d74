"""The connector at work: two syncs of a local Pylon by the installed console script, and what came of them."""
