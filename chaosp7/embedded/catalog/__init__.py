"""The embedded platform's Iceberg REST catalog."""
