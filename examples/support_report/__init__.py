"""From Pylon to answers: a sync with PyAirbyte, models with dbt, and a report for a support lead."""
