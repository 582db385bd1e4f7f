#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The byte-stream oracle: plays both ends of control connections through a node
and compares what each end received with a reference rewriter. Speaks TAP.

    tests/oracle.py                     its own test, every case, some random sessions
    tests/oracle.py --sessions 100000   random sessions alone
    tests/oracle.py --seed 4711         that one session
    tests/oracle.py --case 'two seg'    the cases whose name has the words
    tests/oracle.py --table             every case, the kernel's helper beside ftpfix
"""
import argparse
import os
import shutil
import signal
import sys

sys.dont_write_bytecode = True

import e2e.ftpfix  # noqa: E402
from e2e.guardian import guardian  # noqa: E402
from e2e.kernel_log import KernelLog  # noqa: E402
from oracle import plan, selftest, table  # noqa: E402
from oracle.modes import MODES  # noqa: E402

NEEDED_PROGRAMS = ("ip", "nsenter", "nft", "ethtool")
RANDOM_SESSIONS = 4000


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--helper", choices=("ftpfix", "kernel"), default="ftpfix",
                        help="what is between the ends")
    parser.add_argument("--ftpfix", metavar="PATH", help="another program than build/ftpfix")
    parser.add_argument("--rewrite", metavar="HOW", help="ftpfix's option of that name")
    parser.add_argument("--mode", action="append", choices=[mode.name for mode in MODES],
                        help="only in this situation")
    parser.add_argument("--family", type=int, choices=(4, 6), help="only IPv4 or only IPv6")
    parser.add_argument("--case", metavar="WORDS", action="append",
                        help="only the cases whose name has these words")
    parser.add_argument("--sessions", type=int, metavar="N", help="so many random sessions")
    parser.add_argument("--seed", type=int, metavar="S", help="of the first random session")
    parser.add_argument("--table", action="store_true", help="compare both helpers")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="nodes at once")
    return parser.parse_args()


def missing(chosen):
    """Why nothing can run here, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if (chosen.table or chosen.helper == "ftpfix") and not os.path.exists(e2e.ftpfix.PROGRAM):
        return "needs build/ftpfix (make)"
    absent = [program for program in NEEDED_PROGRAMS if not shutil.which(program)]
    return f"needs {', '.join(absent)} (tools/install-needed)" if absent else None


def end(number, _frame):
    sys.exit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    chosen = options()
    if chosen.ftpfix:
        e2e.ftpfix.PROGRAM = os.path.abspath(chosen.ftpfix)
    reason = missing(chosen)
    if chosen.table:
        if reason:
            sys.exit(f"oracle: {reason}")
        return table.show(plan.groups(chosen, True, 0), chosen.jobs)
    alone = chosen.case or chosen.sessions or chosen.seed is not None
    if chosen.seed is not None or chosen.sessions:
        sessions = chosen.sessions or 1
    else:
        sessions = 0 if chosen.case else RANDOM_SESSIONS
    cases = chosen.case or not alone
    groups = plan.groups(chosen, cases, sessions)
    tests = [] if alone else selftest.TESTS
    kernel_log = None if reason else KernelLog()
    report = plan.Report(len(tests) + sum(len(group.names) for group in groups) +
                         bool(kernel_log))
    for name, function in tests:
        report.own(name, function)
    for group in groups:
        if reason:
            report.skip(group, reason)
        else:
            report.group(group, chosen)
    if kernel_log:
        report.kernel(kernel_log.complaints())
    return 1 if report.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        guardian.close()
