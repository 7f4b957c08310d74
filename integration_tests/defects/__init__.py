"""Deliberate defects of the connector, at least one for each row of docs/reliability.md, and tests that notice them.

A test that stays green when the code is wrong proves nothing. Each defect here is a small edit of the connector's
source that is applied while a module is imported, in the test process and in every process that it starts; no file
changes. With the defect, the row's test must fail, and without it, the test must pass:

    python -m integration_tests.defects --only no-retries --only state-ahead-of-records
    python -m integration_tests.defects --jobs 2 --write
"""
