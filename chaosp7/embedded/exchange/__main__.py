"""``python -m chaosp7.embedded.exchange``: one WebSocket server per exchange and a control port."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from chaosp7.account.feeds import Feed
from chaosp7.embedded import log
from chaosp7.embedded.exchange.control import Control
from chaosp7.embedded.exchange.planted import formats
from chaosp7.embedded.exchange.server import Hub
from chaosp7.embedded.exchange.state import Sequences
from chaosp7.embedded.exchange.symbols import parse_symbols
from chaosp7.embedded.http import HttpEndpoint
from chaosp7.embedded.planted import Planted, add_options, parse
from chaosp7.errors import ChaosP7Error, ConfigError

__all__ = ["main"]

EXIT_CONFIG = 2


def _pairs(values: Sequence[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, separator, rest = value.partition("=")
        if not separator or not rest:
            raise ConfigError(f"{option} {value!r} is not EXCHANGE=...")
        if name in pairs:
            raise ConfigError(f"{option} names {name} twice")
        pairs[name] = rest
    return pairs


def _ports(values: Sequence[str]) -> dict[str, int]:
    pairs = _pairs(values, "--listen")
    for exchange, port in pairs.items():
        if not (port.isdecimal() and 0 < int(port) < 65_536):
            raise ConfigError(f"--listen {exchange}={port}: not a port")
    return {exchange: int(port) for exchange, port in pairs.items()}


async def _run(
    feeds: Sequence[Feed],
    ports: dict[str, int],
    control_port: int,
    state_dir: Path,
    planted: Sequence[Planted],
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sequences = Sequences(state_dir)
    hub = Hub(feeds, formats(planted))
    control = Control(feeds, hub, sequences)
    endpoint = HttpEndpoint(control_port, control.routes(loop))
    try:
        for exchange, port in ports.items():
            await hub.listen(exchange, port)
        endpoint.start()
        # What exists now stays: the collector needn't go through it in the middle of a tick.
        gc.collect()
        gc.freeze()
        await stop.wait()
    finally:
        control.shut_down()
        await hub.close()
        endpoint.close()
        sequences.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the exchanges until SIGTERM.

    Args:
        argv: the command line; None: the process's own.

    Returns:
        0 after SIGTERM, 2 if it can't start.
    """
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.exchange", description=__doc__)
    parser.add_argument("--feed", action="append", required=True, metavar="EXCHANGE=SYMBOL,...")
    parser.add_argument("--listen", action="append", required=True, metavar="EXCHANGE=PORT")
    parser.add_argument("--control-port", type=int, required=True, metavar="PORT")
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    add_options(parser)
    arguments = parser.parse_args(argv)
    logger = log.configure("exchange")
    try:
        symbols = _pairs(arguments.feed, "--feed")
        ports = _ports(arguments.listen)
        if symbols.keys() != ports.keys():
            raise ConfigError("--feed and --listen must name the same exchanges")
        feeds = [feed for exchange, names in symbols.items() for feed in parse_symbols(exchange, names)]
        uvloop.run(_run(feeds, ports, arguments.control_port, arguments.state_dir, parse(arguments.planted)))
    except ChaosP7Error as error:
        logger.critical("%s", error)
        return EXIT_CONFIG
    logger.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
