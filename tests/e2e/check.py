# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a scenario asserts with, and what it waits with. Knows no network."""
import time

POLL_SECONDS = 0.02


class Failed(AssertionError):
    """The scenario went otherwise than it must."""


class Skipped(Exception):
    """The scenario needs something that this machine lacks."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(actual, expected, what):
    if actual != expected:
        raise Failed(f"{what}: expected {expected!r}, got {actual!r}")


def contains(text, part, what):
    if part not in text:
        raise Failed(f"{what}: {part!r} is not in {text!r}")


def raises(errors, function, what):
    """Calls the function, which must raise one of the errors, and returns it."""
    try:
        function()
    except errors as error:
        return error
    raise Failed(f"{what}: went well, and must not")


def wait_until(condition, what, seconds=10):
    """Waits for a condition and returns its value; the bound only ends a hang."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s in vain: {what}")
        time.sleep(POLL_SECONDS)
