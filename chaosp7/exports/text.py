"""Text that can be sent. Pure."""

from __future__ import annotations

__all__ = ["unicode_of"]


def unicode_of(text: str) -> str:
    """Return a text with every lone surrogate, which JSON can hold and UTF-8 can't, replaced by ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")
