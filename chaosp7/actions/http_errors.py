"""Have a link's server answer every HTTP request with an error, as one that is overloaded does."""

import time
from threading import Event

import requests

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.actions._stress import StressFault
from chaosp7.errors import FaultError, HealError, NotVerifiedError
from chaosp7.platform.ports import HOST, free_now
from chaosp7.safety.undo import Undo, carry_out_undo
from chaosp7.stress.refusal import MARK

__all__ = ["answer_errors"]

_TIMEOUT_S = 3.0
_STATUSES = range(400, 600)


class HttpErrors(StressFault):
    """The fault: the link's proxy leads to a helper that refuses everything.

    Args:
        on: the platform.
        link: the link; its client speaks HTTP over it.
        status: what is answered.
        duration_s: how long it lasts, seconds.
    """

    kind = "http-errors"

    def __init__(self, on: Reached, link: str, status: int, duration_s: float) -> None:
        on.model.link(link)  # raises for one that isn't there, before anything is touched
        if status not in _STATUSES:
            raise FaultError(f"status is 400 to 599, not {status}")
        if on.model.driver != "process":
            raise FaultError("a proxy in a container doesn't reach a helper on this machine's loopback")
        self._driver = on.driver
        self._link = link
        self._status = status
        planned = self._driver.plan.links[link]
        self._server = f"{planned.upstream_host}:{planned.upstream_port}"
        self._port = free_now()
        super().__init__(link, ["--http-port", str(self._port), "--http-status", str(status)], duration_s)

    @property
    def undo(self) -> list[Undo]:
        """Let the link lead to its server, and end the helper."""
        return [Undo("redirect-link", self._link, self._server), *super().undo]

    def inject(self) -> None:
        """Start the helper, and have the link lead to it."""
        super().inject()
        self._driver.links.redirect(self._link, f"{HOST}:{self._port}")

    def verify(self) -> tuple[int, str]:
        """See that a request through the link is refused."""
        seen_ns = self._refused_ns()
        if past := self._driver.past_the_proxy(self._link):
            raise NotVerifiedError(past)
        return seen_ns, f"a request is answered with HTTP {self._status}"

    def _refused_ns(self) -> int:
        host, port = self._driver.link_address(self._link)
        try:
            answer = requests.get(f"http://{host}:{port}/", timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise NotVerifiedError(f"a request isn't answered: {error}") from error
        if answer.status_code != self._status or MARK not in answer.headers:
            raise NotVerifiedError(f"a request is answered with HTTP {answer.status_code} by somebody else")
        return time.monotonic_ns()

    def hold(self, over: Event) -> None:
        """Let it last, and see that requests are still refused."""
        over.wait(self._duration_s)
        try:
            self._refused_ns()
        except NotVerifiedError as error:
            raise NotVerifiedError(f"was gone before its end: {error}") from error

    def heal(self) -> None:
        """Let the link lead to its server again, and end the helper."""
        for undo in self.undo:
            carry_out_undo(undo, self._driver)
        super().heal()

    def verify_healed(self) -> tuple[int, str]:
        """See that the link leads to its server."""
        healed_ns, said = super().verify_healed()
        state = self._driver.links.state(self._link)
        if state.upstream != self._server or not state.clean:
            raise HealError(f"reads back as {state}")
        return healed_ns, f"the link leads to its server; {said}"


def answer_errors(link: str, status: int = 503, duration_s: float = 10.0) -> str:
    """Have every HTTP request over a link answered with an error.

    Args:
        link: name of the link; its client speaks HTTP over it (``offload->minio``). Processes only.
        status: the HTTP status, 400 to 599.
        duration_s: how long it lasts, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        HttpErrors.kind,
        link,
        {"status": status},
        lambda run: HttpErrors(run, link, status, duration_s),
    )
