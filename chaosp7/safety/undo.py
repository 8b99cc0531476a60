"""How a fault is undone, as data: whoever finds it in the fault ledger can carry it out."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import msgspec

from chaosp7.errors import FaultError, HealError, PlatformError
from chaosp7.platform.process_driver import ProcessDriver, ServiceState
from chaosp7.stress.helper import end_helper, helpers

__all__ = ["Undo", "carry_out_undo", "is_undone"]

_LINK_TIMEOUT_S = 2.0
_TOXIPROXY_WAIT_S = 10.0


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step; carrying it out again does no harm.

    Attributes:
        op: ``start`` a service that is down, ``resume`` one that is stopped, ``heal-link``, or
            ``end-helper``.
        target: the service, the link, or the helper's token.
    """

    op: Literal["start", "resume", "heal-link", "end-helper"]
    target: str


def carry_out_undo(undo: Undo, driver: ProcessDriver) -> None:
    """Undo a step; returns when it has taken effect, but doesn't wait until a service is healthy.

    Args:
        undo: the step.
        driver: of the platform.

    Raises:
        PlatformError: if the platform doesn't do it.
        HealError: if a link isn't clean afterwards.
    """
    if undo.op == "end-helper":
        end_helper(undo.target)
    elif undo.op == "start":
        driver.start(undo.target, wait_s=0)
    elif undo.op == "resume":
        driver.resume(undo.target)
    else:
        _heal_link(undo.target, driver)


def _heal_link(link: str, driver: ProcessDriver) -> None:
    try:
        driver.links.heal(link, _LINK_TIMEOUT_S)
    except HealError:
        # Toxiproxy can wedge when a toxic is taken off. It keeps nothing on disk: started anew, it
        # has all links as the platform's plan has them.
        driver.crash("toxiproxy")
        driver.start("toxiproxy", wait_s=_TOXIPROXY_WAIT_S)
        driver.links.heal(link, _LINK_TIMEOUT_S)


def is_undone(undo: Undo, driver: ProcessDriver) -> bool:
    """Tell whether there is nothing left to undo; False also if that can't be seen.

    Args:
        undo: the step.
        driver: of the platform.
    """
    if undo.op == "end-helper":
        return not helpers(undo.target)  # it lives without the platform
    if not driver.running():
        return True  # what doesn't run is neither stopped nor cut
    with suppress(PlatformError, FaultError):
        if undo.op == "heal-link":
            return driver.links.state(undo.target).clean
        status = driver.service_status(undo.target)
        if undo.op == "start":
            return status.state is not ServiceState.STOPPED
        return status.process is None or not status.process.stopped()
    return False
