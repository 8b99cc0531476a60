"""The errors of chaosp7, in one tree.

::

    ChaosP7Error
    ├── ConfigError            a platform file, an experiment or an option is wrong
    ├── ProvisionError         a part of the embedded platform can't be had
    ├── PlatformError          a service can't be started, stopped or found
    │   ├── NotRunningError    the platform isn't running
    │   ├── PortInUseError     a fixed port is taken by somebody else
    │   └── SilentError        its supervisor lives, but doesn't answer
    ├── OffloadError           a cycle of the offload to the cold tier has failed
    ├── FaultError             a fault can't be carried out
    │   ├── NotVerifiedError   it was injected, but nothing shows that it took effect
    │   └── HealError          it can't be undone
    ├── MeasurementError       something can't be measured: never to be read as "nothing lost"
    │   ├── LedgerError        the ledger is missing, truncated, damaged or can't be written
    │   └── ReaderError        a tier can't be read
    ├── ReportError            a report can't be written
    │   └── ExportError        another system doesn't take what a run has to tell
    └── RunError               an activity needs a run that isn't there
"""

__all__ = [
    "ChaosP7Error",
    "ConfigError",
    "ExportError",
    "FaultError",
    "HealError",
    "LedgerError",
    "MeasurementError",
    "NotRunningError",
    "NotVerifiedError",
    "OffloadError",
    "PlatformError",
    "PortInUseError",
    "ProvisionError",
    "ReaderError",
    "ReportError",
    "RunError",
    "SilentError",
]


class ChaosP7Error(Exception):
    """Base of every error that chaosp7 raises on purpose."""


class ConfigError(ChaosP7Error):
    """A platform file, an experiment or an option is wrong; the message names file, line and key."""


class ProvisionError(ChaosP7Error):
    """A part of the embedded platform can't be had; the message says what to install."""


class PlatformError(ChaosP7Error):
    """A service can't be started, stopped or found."""


class NotRunningError(PlatformError):
    """The platform isn't running."""


class PortInUseError(PlatformError):
    """A port that the platform file fixes is taken by somebody else."""


class SilentError(PlatformError):
    """The platform's supervisor lives, but doesn't answer."""


class OffloadError(ChaosP7Error):
    """A cycle of the offload to the cold tier has failed; the message names step and cause.

    Args:
        step: what was being done.
        cause: why it failed.
    """

    def __init__(self, step: str, cause: str) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step


class FaultError(ChaosP7Error):
    """A fault can't be carried out."""


class NotVerifiedError(FaultError):
    """A fault was injected, but nothing shows that it took effect."""


class HealError(FaultError):
    """A fault can't be undone."""


class MeasurementError(ChaosP7Error):
    """Something can't be measured. Never to be read as "nothing lost"."""


class LedgerError(MeasurementError):
    """The ledger is missing, truncated, damaged, or can't be written."""


class ReaderError(MeasurementError):
    """A tier can't be read."""


class ReportError(ChaosP7Error):
    """A report can't be written."""


class ExportError(ReportError):
    """Another system doesn't take what a run has to tell."""


class RunError(ChaosP7Error):
    """An activity needs a run that isn't there."""
