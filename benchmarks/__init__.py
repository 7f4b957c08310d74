"""What a sync costs, measured: one command per question, results in RESULTS.md."""
