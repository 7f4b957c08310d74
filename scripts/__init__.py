"""What the tasks of pyproject.toml run where one command is not enough."""
