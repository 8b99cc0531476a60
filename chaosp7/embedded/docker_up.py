"""Make, start and remove the containers of an embedded platform.

No image is downloaded: the containers have a few empty folders, on which this machine's own programs
are mounted read-only. Each has a fixed address on a private network, and listens on that only.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
from docker.errors import APIError, ImageNotFound
from docker.types import IPAMConfig, IPAMPool, Mount

import chaosp7
from chaosp7.embedded import bounded_disk, plan_model, provision
from chaosp7.embedded.plan import build, needed_parts, prepare, wanted_ports
from chaosp7.embedded.plan_model import Plan
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.protocol import ServiceStatus
from chaosp7.errors import PlatformError
from chaosp7.platform.containers import TARGET_LABEL, Containers
from chaosp7.platform.model import Platform
from chaosp7.platform.ports import LISTEN_ENV

__all__ = ["PLATFORM_LABEL", "make", "ours", "remove", "start"]

#: Which platform a container or a network of ours belongs to: its state folder.
PLATFORM_LABEL: Final = "chaosp7.platform"

_IMAGE: Final = "chaosp7-embedded"
_TAG: Final = "1"
_FOLDERS: Final = ("bin", "etc", "lib", "lib64", "proc", "root", "sbin", "sys", "dev", "tmp", "usr", "var")
#: Where this machine's programs are.
_PROGRAMS: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
_FIRST_PORT: Final = 15_000
_FIRST_HOST: Final = 10
_SUBNETS: Final = [f"10.213.{number}" for number in range(64)]
_LOOK_EVERY_S: Final = 0.05


def make(
    platform: Platform,
    name: str,
    state: StateDir,
    containers: Containers,
    provisioning: provision.Progress | None = None,
) -> Plan:
    """Make network and containers of a platform; none is started.

    Args:
        platform: the platform file's content.
        name: what the platform is called.
        state: its state folder.
        containers: the daemon.
        provisioning: is told about parts that have to be made first.

    Raises:
        ProvisionError: if a part can't be had.
        PlatformError: if the daemon doesn't do it.
    """
    parts = provision.parts(needed_parts(platform), provisioning)
    remove(name, containers)
    _make_image(containers)
    subnet = _make_network(name, containers)
    hosts = {service: f"{subnet}.{_FIRST_HOST + number}" for number, service in enumerate(platform.services)}
    # Each has an address of its own: nothing else listens there.
    ports = {
        key: port or _FIRST_PORT + number for number, (key, port) in enumerate(wanted_ports(platform).items())
    }
    plan = build(platform, parts, ports, state, name, hosts)
    bounded_disk.release(state)
    state.prepare(keep_data=False)
    prepare(plan, parts)
    plan_model.write(plan)
    mounts = list(_mounts(parts, state))
    for service in plan.services:
        _make_container(plan, service, mounts, containers)
    return plan


def start(
    plan: Plan, containers: Containers, status: Callable[[], Mapping[str, ServiceStatus]], timeout_s: float
) -> None:
    """Start the containers in their order, and return when all are healthy.

    Args:
        plan: the platform's.
        containers: the daemon.
        status: tells how the services are.
        timeout_s: give up after so many seconds.

    Raises:
        PlatformError: if a service isn't healthy in that time.
    """
    deadline = time.monotonic() + timeout_s
    done: set[str] = set()
    begun: set[str] = set()
    while True:
        for name, service in plan.services.items():
            if name not in begun and done.issuperset(service.after):
                containers.call(f"start {name}", containers.target(service.container).start)
                begun.add(name)
        for name, task in plan.tasks.items():
            if name not in done and done.issuperset(task.after):
                _run_task(name, task.command, task.timeout_s)
                done.add(name)
        now = status()
        done |= {name for name in begun if now[name].healthy}
        if done.issuperset(plan.services):
            return
        if time.monotonic() > deadline:
            late = next(name for name in plan.services if name not in done)
            tail = containers.log_tail(plan.services[late].container) if late in begun else "not started"
            raise PlatformError(f"{late} isn't healthy after {timeout_s:g} s: {now[late].detail}\n{tail}")
        time.sleep(_LOOK_EVERY_S)


def remove(name: str, containers: Containers) -> bool:
    """Remove the containers and the network of a platform.

    Returns:
        Whether there were any.
    """
    found = ours(name, containers)
    for container in found:
        containers.call(f"remove {container.name}", partial(container.remove, force=True, v=True))
    filters = {"label": f"{PLATFORM_LABEL}={name}"}
    for network in containers.call("list networks", lambda: containers.client.networks.list(filters=filters)):
        containers.call(f"remove {network.name}", network.remove)
    return bool(found)


def ours(name: str, containers: Containers) -> list[Any]:
    """Return the containers that we have made for a platform, also those that don't run."""
    filters = {"label": f"{PLATFORM_LABEL}={name}"}
    found: list[Any] = containers.call(
        "list containers",
        lambda: containers.client.containers.list(all=True, filters=filters, ignore_removed=True),
    )
    return found


def _make_image(containers: Containers) -> None:
    def there() -> bool:
        try:
            containers.client.images.get(f"{_IMAGE}:{_TAG}")
        except ImageNotFound:
            return False
        return True

    if not containers.call("list images", there):
        packed = _empty_folders()
        containers.call(
            "make an image",
            lambda: containers.client.api.import_image_from_data(packed, repository=_IMAGE, tag=_TAG),
        )


def _empty_folders() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in _FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
    return packed.getvalue()


def _make_network(name: str, containers: Containers) -> str:
    """Make the platform's network, in the first range of addresses that nobody uses; return its prefix."""
    problem = "every range of addresses is taken"
    taken = {address.address.rpartition(".")[0] for one in psutil.net_if_addrs().values() for address in one}
    for prefix in _SUBNETS:
        if prefix in taken:
            continue  # also by another daemon, which this one knows nothing of
        ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=f"{prefix}.0/24", gateway=f"{prefix}.1")])
        try:
            containers.client.networks.create(
                f"chaosp7-{name}", driver="bridge", ipam=ipam, labels={PLATFORM_LABEL: name}
            )
        except APIError as error:
            problem = str(error.explanation)
            if "overlap" not in problem:
                break
        else:
            return prefix
    raise PlatformError(f"no network can be made: {problem}")


def _mounts(parts: provision.Parts, state: StateDir) -> Iterator[Mount]:
    code = Path(chaosp7.__file__).parents[1]
    wanted = [
        Path(sys.base_prefix),
        Path(sys.prefix),
        code,
        parts.cache,
        parts.kafka.java.resolve().parents[1],
    ]
    mounted = [Path(path) for path in _PROGRAMS if Path(path).is_dir()]
    for path in wanted:
        if not any(path.is_relative_to(other) for other in mounted):
            mounted.append(path)
    for path in mounted:
        yield Mount(str(path), str(path.resolve()), type="bind", read_only=True)
    yield Mount(str(state.path), str(state.path), type="bind")


def _make_container(plan: Plan, service: str, mounts: list[Mount], containers: Containers) -> None:
    one = plan.services[service]
    network = f"chaosp7-{plan.name}"
    api = containers.client.api
    attach = api.create_networking_config(
        {network: api.create_endpoint_config(ipv4_address=one.host, aliases=[service])}
    )
    restart = {"Name": "on-failure", "MaximumRetryCount": 0} if one.restart == "on-crash" else None
    host = api.create_host_config(
        mounts=mounts,
        tmpfs={"/tmp": ""},  # noqa: S108  # the container's own
        restart_policy=restart,
        network_mode=network,
    )
    containers.call(
        f"make {one.container}",
        lambda: api.create_container(
            f"{_IMAGE}:{_TAG}",
            one.command,
            name=one.container,
            user=f"{os.getuid()}:{os.getgid()}",
            environment={LISTEN_ENV: one.host, "PATH": "/usr/bin:/bin", "HOME": "/tmp"},  # noqa: S108
            labels={TARGET_LABEL: "true", PLATFORM_LABEL: plan.name},
            host_config=host,
            networking_config=attach,
        ),
    )


def _run_task(name: str, command: list[str], timeout_s: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise PlatformError(f"{name} isn't done after {timeout_s:g} s") from error
    if done.returncode:
        raise PlatformError(f"{name} failed: {done.stderr.strip()[-2000:]}")
