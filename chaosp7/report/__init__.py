"""Reports: from saved evidence to Markdown, JUnit and JSON. Nothing is measured here."""
