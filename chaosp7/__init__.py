"""chaosp7: chaos engineering for streaming data platforms.

Recovery time per tier, and data loss message by message.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
