# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What each hook costs a packet that is none of ftpfix's."""
import subprocess

from e2e.check import Failed
from lane import PROGRAMS, last_cpu

TITLES = {"IPv4-TCP": "TCP over IPv4, port 443", "IPv6-TCP": "TCP over IPv6, port 443",
          "SYN": "SYN over IPv4, port 443", "UDP": "UDP over IPv4"}
NOTE = "above an empty program of the same type, in the same round; BPF_PROG_TEST_RUN"


def measure(_world, figures, rounds):
    table = figures.table("others", "A packet that is none of ours, by hook",
                          "ns per packet", NOTE)
    # One round more, at the start: the caches fill.
    done = subprocess.run(["taskset", "-c", last_cpu(), f"{PROGRAMS}/others", str(rounds + 1)],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed("others: see above")
    taken = {}
    for line in done.stdout.splitlines():
        program, packet, nanoseconds = line.split()
        taken.setdefault((packet, program), []).append(int(nanoseconds))
    for (packet, program), values in taken.items():
        if program.startswith("empty"):
            continue
        empty = taken[packet, "empty-xdp" if program.endswith("_xdp") else "empty-tc"]
        for value, least in list(zip(values, empty))[1:]:
            table.add(TITLES[packet], program, value - least)
