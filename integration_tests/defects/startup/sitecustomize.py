"""Plants a defect at the start of every Python process; on PYTHONPATH only where the defects are run."""

from integration_tests.defects.planted import plant

plant()
