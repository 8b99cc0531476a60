"""Readers: one per kind of tier, all giving the account digests first and rows on demand."""
