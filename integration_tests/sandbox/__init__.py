"""A local Pylon: a real HTTP server with a data set, as strict as the known facts about Pylon allow."""

from integration_tests.sandbox.faults import Fault
from integration_tests.sandbox.handle import Sandbox
from integration_tests.sandbox.options import Behaviour, Size
from integration_tests.sandbox.versions import MISSING

__all__ = ["MISSING", "Behaviour", "Fault", "Sandbox", "Size"]
