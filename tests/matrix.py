#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tries every FTP client with every FTP server in every mode, first without
ftpfix and then with it, prints TAP and at the end the matrix.

    tests/matrix.py [--without | --kernel] [WORD…]

    WORD         only modes, servers and clients whose name has it: 'passive', 'IPv6',
                 'vsftpd', 'curl'. Words about one of the three are alternatives.
    --without    only the failure without ftpfix, with a table of what it looks like
    --kernel     nf_conntrack_ftp and nf_nat_ftp in ftpfix's place

Another ftpfix than build/ftpfix is tried with FTPFIX=path.
"""
import signal
import sys
import time

sys.dont_write_bytecode = True

from e2e import matrix, matrix_table  # noqa: E402
from e2e.guardian import guardian  # noqa: E402
from e2e.kernel_log import KernelLog  # noqa: E402
from e2e.modes import MODES  # noqa: E402
from e2e.world import World  # noqa: E402
from e2e.needs import missing  # noqa: E402


CURES = {"--without": None, "--kernel": matrix.with_kernel_helper}


class Tap:
    def __init__(self, planned):
        self.number = 0
        self.failures = 0
        self.say(f"1..{planned}")

    @staticmethod
    def say(text):
        print(text, flush=True)

    def test(self, name, wrong, skipped=""):
        self.number += 1
        for line in "\n".join(wrong).splitlines():
            self.say(f"# {line}")
        self.failures += bool(wrong)
        self.say(f"{'not ok' if wrong else 'ok'} {self.number} - {name}"
                 f"{f' # SKIP {skipped}' if skipped and not wrong else ''}")


def chosen(names, words):
    named = [name for name in names if any(word in name for word in words)]
    return named or list(names)


def end(number, _frame):
    sys.exit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    words = [word for word in sys.argv[1:] if word not in CURES]
    option, = [word for word in sys.argv[1:] if word in CURES][-1:] or [None]
    servers = chosen(matrix.SERVERS, words)
    clients = chosen(matrix.CLIENTS, words)
    modes = [mode for mode in MODES if mode.name in chosen([one.name for one in MODES], words)]
    columns = [(mode, server) for mode in modes for server in servers]
    cells = [matrix.cell(client, server, mode) for mode, server in columns for client in clients]

    # One test for each cell, and one for what is left when a column is done.
    tap = Tap(sum(bool(one.verbs) for one in cells) + len(columns))
    reason = missing()
    if reason:
        for one in cells:
            if one.verbs:
                tap.test(one.name, [], reason)
        for mode, server in columns:
            tap.test(f"{server}, {mode.name}: nothing is left", [], reason)
        return 0
    kernel_log = KernelLog()
    done = []
    for mode in modes:
        with World() as world:
            started = time.monotonic()
            for server, filled, wrong in matrix.run_mode(
                    world, mode, servers, clients, CURES.get(option, matrix.with_ftpfix)):
                for one in filled:
                    if one.verbs:
                        tap.test(one.name, one.wrong, one.skipped)
                wrong += [f"kernel: {line}" for line in kernel_log.complaints()]
                tap.test(f"{server}, {mode.name}: nothing is left", wrong)
                tap.say(f"# {time.monotonic() - started:.1f} s")
                started = time.monotonic()
                done += filled
    for line in matrix_table.lines(done, option == "--without"):
        tap.say(f"# {line}" if line else "#")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        guardian.close()
