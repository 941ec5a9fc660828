"""Tests wait for what happens, however long that takes; a limit only ends a hang."""

import time
from collections.abc import Callable

LIMIT = 300.0  # seconds; the fixtures sleep for twice as long, so nothing ends by itself meanwhile


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It does not, and probably never will.
    """
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT:g} s"
        time.sleep(0.05)
