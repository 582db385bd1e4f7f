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
import os
import signal
import sys
import threading
import time
import traceback

sys.dont_write_bytecode = True

from e2e import matrix, matrix_table  # noqa: E402
from e2e.guardian import guardian  # noqa: E402
from e2e.kernel_log import KernelLog  # noqa: E402
from e2e.modes import MODES  # noqa: E402
from e2e.needs import missing  # noqa: E402
from e2e.world import World  # noqa: E402

CURES = {"--without": None, "--kernel": matrix.with_kernel_helper}
# Modes at once: most of the time someone waits for a client that hangs.
WORKERS = 3


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

    def column(self, mode, server, cells, wrong, skipped=""):
        """One test for each cell, and one for what is left when all are done."""
        for one in cells:
            if one.verbs:
                self.test(one.name, one.wrong, skipped or one.skipped)
        self.test(f"{server}, {mode.name}: nothing is left", wrong, skipped)


def chosen(names, words):
    named = [name for name in names if any(word in name for word in words)]
    return named or list(names)


def empty(modes, servers, clients):
    """The matrix before anything is tried, in the form of run_modes()."""
    return [(mode, [(server, [matrix.cell(client, server, mode) for client in clients], [])
                    for server in servers]) for mode in modes]


def run_modes(modes, servers, clients, cure):
    """Yields each mode with its columns, in order, and runs some at once."""
    results = {mode: threading.Event() for mode in modes}
    columns = {}
    waiting = iter(modes)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                mode = next(waiting, None)
            if mode is None:
                return
            try:
                with World() as world:
                    columns[mode] = matrix.run_mode(world, mode, servers, clients, cure)
            except Exception:
                (_, failed), = empty([mode], servers, clients)
                for _, cells, wrong in failed:
                    wrong += traceback.format_exc().splitlines()
                    for one in cells:
                        one.wrong.append("not tried, or not to the end")
                columns[mode] = failed
            results[mode].set()

    # Daemons: whoever ends the run does not wait for them.
    for _ in range(WORKERS):
        threading.Thread(target=work, daemon=True).start()
    for mode in modes:
        results[mode].wait()
        yield mode, columns[mode]


def end(number, _frame):
    # The guardian removes what the workers have made.
    os._exit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    started = time.monotonic()
    words = [word for word in sys.argv[1:] if word not in CURES]
    option = next((word for word in sys.argv[1:] if word in CURES), None)
    servers = chosen(matrix.SERVERS, words)
    clients = chosen(matrix.CLIENTS, words)
    modes = [mode for mode in MODES if mode.name in chosen([one.name for one in MODES], words)]
    planned = empty(modes, servers, clients)
    tap = Tap(sum(1 + sum(bool(one.verbs) for one in cells)
                  for _, columns in planned for _, cells, _ in columns))
    reason = missing()
    if reason:
        for mode, columns in planned:
            for server, cells, wrong in columns:
                tap.column(mode, server, cells, wrong, reason)
        return 0

    kernel_log = KernelLog()
    done = []
    for mode, columns in run_modes(modes, servers, clients,
                                   CURES.get(option, matrix.with_ftpfix)):
        for server, cells, wrong in columns:
            wrong += [f"kernel: {line}" for line in kernel_log.complaints()]
            tap.column(mode, server, cells, wrong)
            done += cells
        tap.say(f"# {mode.name} done after {time.monotonic() - started:.0f} s")
    for line in matrix_table.lines(done, option == "--without"):
        tap.say(f"# {line}" if line else "#")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        guardian.close()
