"""The recorder: looks at every tier at the same time and notes when what became visible."""
