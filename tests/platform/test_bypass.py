"""Connections past a proxy are found, whatever the kernel writes addresses like."""

import os
import socket

import pytest

from chaosp7.platform.bypass import connections_of_container, connections_of_process


@pytest.mark.parametrize(("listen", "host"), [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1")])
def test_a_connection_is_seen_while_it_is_there(listen: str, host: str) -> None:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((listen, 0))
        server.listen()
        port = server.getsockname()[1]
        address = f"{host}:{port}"
        with socket.create_connection((host, port)):
            assert connections_of_process(os.getpid(), {port}) == [address]
            assert address in connections_of_container(os.getpid(), host)
        assert connections_of_process(os.getpid(), {port}) == []


def test_a_process_that_is_gone_has_none() -> None:
    assert connections_of_process(1 << 22, {80}) == []
    assert connections_of_container(1 << 22, "127.0.0.1") == []
