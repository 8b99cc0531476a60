"""Processes that take CPU time or memory away from a platform, and never outlive their purpose."""
