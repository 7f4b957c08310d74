"""The one reader of the four issue streams: changes first, then the history, newest first."""
