"""The embedded platform: a real market-data pipeline as local processes."""
