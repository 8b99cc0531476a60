"""The embedded platform's ClickHouse: the engine as a library behind ClickHouse's HTTP protocol."""
