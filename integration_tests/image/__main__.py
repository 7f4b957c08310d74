"""`python -m integration_tests.image`: builds the image, runs its tests, and prints the size of what it adds."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["-m", "image_tests", "-rsP", "--no-header", *sys.argv[1:], str(Path(__file__).parent)]))
