#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs the end-to-end scenarios and prints TAP.

    tests/e2e.py [WORD…]    only scenarios whose name has one of the words
"""
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True

from e2e.check import Failed, Skipped  # noqa: E402
from e2e.guardian import guardian  # noqa: E402
from e2e.kernel_log import KernelLog  # noqa: E402
from e2e.needs import missing  # noqa: E402
from e2e.scenario import SCENARIOS  # noqa: E402
from e2e.world import World  # noqa: E402
import e2e.scenarios  # noqa: E402, F401


def say(text):
    print(text, flush=True)


def run(function, kernel_log):
    """Returns what went wrong, and the diagnostics that explain it."""
    with World() as world:
        try:
            function(world)
        except Failed as error:
            return [str(error), *_place(error), *world.describe()]
        except Skipped:
            raise
        except Exception:
            return [*traceback.format_exc().splitlines(), *world.describe()]
    return [f"kernel: {line}" for line in kernel_log.complaints()]


def _place(error):
    """Where in the scenario it failed."""
    return [f"at {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}: {frame.line}"
            for frame in traceback.extract_tb(error.__traceback__)
            if "/scenarios/" in frame.filename]


def end(number, _frame):
    sys.exit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    words = sys.argv[1:]
    chosen = [(name, function) for name, function in SCENARIOS
              if not words or any(word in name for word in words)]
    say(f"1..{len(chosen)}")
    reason = missing()
    if reason:
        for number, (name, _) in enumerate(chosen, 1):
            say(f"ok {number} - {name} # SKIP {reason}")
        return 0
    kernel_log = KernelLog()
    failures = 0
    for number, (name, function) in enumerate(chosen, 1):
        started = time.monotonic()
        try:
            wrong = run(function, kernel_log)
        except Skipped as why:
            say(f"ok {number} - {name} # SKIP {why}")
            continue
        for line in "\n".join(wrong).splitlines():
            say(f"# {line}")
        failures += bool(wrong)
        say(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        say(f"# {time.monotonic() - started:.1f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        guardian.close()
