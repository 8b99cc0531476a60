"""A test that somebody interrupts, after the example's in one session; `test_example` copies this file."""

import os
import signal
import time

from chaosp7.pytest_plugin import Faults, PlatformUp


def test_that_is_interrupted_in_a_fault(platform: PlatformUp, fault: Faults) -> None:
    held = fault("pause", "silver-processor")
    assert held.record.verified_start_ns is not None
    process = platform.driver.service_status("silver-processor").process
    assert process is not None
    assert process.stopped()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
