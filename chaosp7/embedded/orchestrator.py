"""``python -m chaosp7.embedded.orchestrator``: a server of Prefect, on its own and for this machine only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from chaosp7.embedded import log
from chaosp7.errors import ConfigError
from chaosp7.platform.ports import HOST

__all__ = ["main", "require", "set_client_variables"]

#: Nothing is told to anybody, and no server is made where none was asked for.
_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
}


def require() -> None:
    """Check that Prefect is installed, without the second that its import takes.

    Raises:
        ConfigError: if it isn't.
    """
    if find_spec("prefect") is None:
        raise ConfigError(f"{sys.executable} has no Prefect: pip install 'chaosp7[prefect]'")


def set_client_variables(api: str, home: Path, timeout_s: float) -> None:
    """Set the variables that Prefect reads when it is imported; what has been set by hand stays.

    Args:
        api: of its server, ``http://host:port/api``.
        home: folder for what it keeps.
        timeout_s: limit for each answer, seconds.
    """
    os.environ["PREFECT_API_URL"] = api
    variables = _QUIET | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_REQUEST_TIMEOUT": str(timeout_s),
        # Its database may be locked for a moment (503). One that is sent twice may register two runs; the
        # offload looks for those.
        "PREFECT_CLIENT_MAX_RETRIES": "1",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
    }
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _server_variables(home: Path) -> Mapping[str, str]:
    # A profile or a database of the user's is no business of this server's.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return own | _QUIET | {"PREFECT_HOME": str(home), "PREFECT_PROFILES_PATH": str(home / "profiles.toml")}


def main() -> int:
    """Become the server.

    Returns:
        The exit code, if it can't.
    """
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.orchestrator", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of its database")
    parser.add_argument("--http-port", type=int, required=True, help="port of its API")
    parser.add_argument("--host", default=HOST, help="address that it listens on")
    arguments = parser.parse_args()
    logger = log.configure("orchestrator")
    try:
        require()
    except ConfigError as error:
        logger.critical("%s", error)
        return 2
    home = arguments.data_dir.absolute()
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
    # Schedules, events and automations aren't used, and what writes them locks the database now and then.
    command += ["--no-services"]
    command += ["--host", arguments.host, "--port", str(arguments.http_port)]
    # The same process: whoever ends it ends the server, and nothing is left.
    return os.execve(sys.executable, command, dict(_server_variables(home)))  # noqa: S606  # no shell


if __name__ == "__main__":
    sys.exit(main())
