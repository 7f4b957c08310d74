"""Where the streams meet Airbyte's CDK: partitions, checkpoints, progress."""
