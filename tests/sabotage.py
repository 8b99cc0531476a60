"""A control that spoils an injection in the run's own process, so that its action doesn't know.

``nothing-injected``  Toxiproxy is never told of the toxic
``wrong-attribute``   the toxic has an attribute that Toxiproxy doesn't know, and so ignores
``still-listens``     the proxy is never disabled
``bypass``            the client holds a connection to the server past the proxy
``dead-already``      the service has no process when it is to be killed
``not-stopped``       the SIGSTOP is never sent
``sigterm-in-a-line`` a SIGTERM comes while a line of the log is written, as the tiers come to rest
"""

import logging
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psutil

from chaosp7.platform.links import Links, Toxic
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.platform.process_id import ProcessId
from chaosp7.run.current import current_run
from tests.lite import EXCHANGE_LINK, HANDLER

__all__ = ["before_method_control"]

_kept: list[socket.socket] = []


class _Sigterm(logging.StreamHandler[Any]):
    """Writes each line, with a SIGTERM in the midst of one."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if "draining" in line:
            os.kill(os.getpid(), signal.SIGTERM)
        return line


def before_method_control(context: Mapping[str, Any], kind: str) -> None:
    """Spoil it.

    Args:
        context: the experiment.
        kind: how.
    """
    del context
    if kind == "nothing-injected":
        Links.add_toxic = lambda *_: None  # type: ignore[method-assign]
    elif kind == "wrong-attribute":
        plain = Links.add_toxic

        def misspelt(links: Links, link: str, toxic: Toxic) -> Any:
            return plain(links, link, replace(toxic, attributes={"latncy": 100}))

        Links.add_toxic = misspelt  # type: ignore[method-assign]
    elif kind == "still-listens":
        Links.disable = lambda *_: None  # type: ignore[method-assign]
    elif kind == "bypass":
        driver = current_run().driver
        upstream = driver.links.state(EXCHANGE_LINK).upstream_port
        _kept.append(socket.create_connection(("127.0.0.1", upstream), 2))
        me = type("Me", (), {"process": ProcessId.of(psutil.Process().pid)})
        ProcessDriver.service_status = lambda *_: me  # type: ignore[method-assign]
    elif kind == "dead-already":
        current_run().driver.signal_service(HANDLER)
    elif kind == "not-stopped":
        ProcessDriver.pause = lambda *_: None  # type: ignore[method-assign]
    elif kind == "sigterm-in-a-line":
        logging.getLogger("chaostoolkit").addHandler(_Sigterm())
    else:
        raise ValueError(kind)
