"""Issues with their messages: the one intricate path."""
