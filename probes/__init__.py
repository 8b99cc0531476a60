"""Probes: what is observed."""
