"""Actions: what acts on the platform. One fault, one file."""
