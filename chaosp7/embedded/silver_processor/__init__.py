"""The embedded platform's silver processor: bronze -> silver, effectively once."""
