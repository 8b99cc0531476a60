"""No fault outlives its run: what is undone is written down before anything is done."""
