"""How a fault is undone, as data: whoever finds it in the fault ledger can carry it out."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import msgspec

from chaosp7.embedded import fake_clock
from chaosp7.embedded.bounded_disk import BALLAST
from chaosp7.errors import FaultError, HealError, PlatformError
from chaosp7.platform.driver import Driver, ServiceState
from chaosp7.platform.links import LinkState
from chaosp7.platform.model import Part
from chaosp7.stress.helper import end_helper, helpers
from chaosp7.stress.throttle import Throttle

__all__ = ["Undo", "carry_out_undo", "is_undone"]

_LINK_TIMEOUT_S = 2.0
_TOXIPROXY_WAIT_S = 10.0


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step; carrying it out again does no harm.

    Attributes:
        op: ``start`` a service that is down, ``resume`` one that is stopped, ``reconnect`` one that is off
            its networks, ``heal-link``, ``redirect-link``, ``remove-ballast`` from a service's disk,
            ``lift-throttle`` from it, ``reset-clock`` of a service, or ``end-helper``.
        target: the service, the link, or the helper's token.
        settings: (``reconnect``) the service's network settings; (``lift-throttle``) the throttle;
            (``redirect-link``) where the link leads, ``host:port``.
    """

    op: Literal[
        "start",
        "resume",
        "reconnect",
        "heal-link",
        "redirect-link",
        "remove-ballast",
        "lift-throttle",
        "reset-clock",
        "end-helper",
    ]
    target: str
    settings: str = ""


def carry_out_undo(undo: Undo, driver: Driver) -> None:
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
    elif undo.op == "lift-throttle":
        Throttle.from_text(undo.settings).lift()
    elif undo.op == "reset-clock":
        fake_clock.turn(driver.data_folder(undo.target), 0)
    elif undo.op == "start":
        driver.start(undo.target, wait_s=0)
    elif undo.op == "resume":
        driver.resume(undo.target)
    elif undo.op == "remove-ballast":
        (driver.data_folder(undo.target) / BALLAST).unlink(missing_ok=True)
    elif undo.op == "reconnect":
        driver.reconnect(undo.target, undo.settings)
    elif undo.op == "redirect-link":
        driver.links.redirect(undo.target, undo.settings)
    else:
        _heal_link(undo.target, driver)


def _heal_link(link: str, driver: Driver) -> None:
    try:
        driver.links.heal(link, _LINK_TIMEOUT_S)
    except HealError:
        # Toxiproxy can wedge when a toxic is taken off. It keeps nothing on disk: started anew, it
        # has all links as the platform's plan has them.
        toxiproxy = driver.plan.name_of(Part.TOXIPROXY)
        driver.crash(toxiproxy)
        driver.start(toxiproxy, wait_s=_TOXIPROXY_WAIT_S)
        driver.links.heal(link, _LINK_TIMEOUT_S)


def is_undone(undo: Undo, driver: Driver) -> bool:
    """Tell whether there is nothing left to undo; False also if that can't be seen.

    Args:
        undo: the step.
        driver: of the platform.
    """
    if undo.op == "end-helper":
        return not helpers(undo.target)  # it lives without the platform
    if undo.op == "lift-throttle":
        return not Throttle.from_text(undo.settings).there()
    if not driver.running():
        return True  # what doesn't run is neither stopped nor cut
    with suppress(PlatformError, FaultError):
        match undo.op:
            case "heal-link" | "redirect-link":
                undone = _link_undone(undo, driver.links.state(undo.target))
            case "remove-ballast":
                undone = not (driver.data_folder(undo.target) / BALLAST).exists()
            case "reset-clock":
                undone = fake_clock.turned_s(driver.data_folder(undo.target)) == 0
            case "reconnect":
                undone = driver.connected(undo.target, undo.settings)
            case "start":
                undone = driver.service_status(undo.target).state is not ServiceState.STOPPED
            case "resume":
                undone = not driver.paused(undo.target)
        return undone
    return False


def _link_undone(undo: Undo, state: LinkState) -> bool:
    return state.clean if undo.op == "heal-link" else state.upstream == undo.settings
