# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The memory that FTP sessions take, each with its control connection, an open data
connection, and one more that is announced: opened with real packets, then read from
the kernel's own accounts."""
import contextlib
import os
import re
import subprocess
import time

from e2e.check import check, equal
from e2e.ftpfix import Ftpfix
from e2e.guardian import guardian
from e2e.namespace import RUN
from e2e.topology import INSIDE, UPLINK
from e2e.world import World
from kernel_nat import large_conntrack, nat
from lane import END, NODE_MAC, PROGRAMS, SERVER, SERVER6, VIP6, Lane, Talker
from sessions import SAME_VIP as VIP

# Opened at once: what opens has fewer places than what is open.
STEP = 25_000

# What the sweep may take to find that drafts are no more needed: it comes every 10 s, and
# looks at those that were silent for so long.
SETTLE_SECONDS = 25
# What was freed is given back within so long; and for how long nothing of it must be seen.
REST_SECONDS_MAX = 60
REST_SECONDS = 3
# Longer than it takes to open all of them.
EXPECT_SECONDS = 600

NOTE = """\
One control connection that is carried, one open data connection, one announcement that nobody
has come for; all that was said is acknowledged. ftpfix: what its memory cgroup is charged
with, programs and daemon included, {settle} s later; {sessions:,} sessions in tables of as many
--max-sessions, which serve both families alike. Of each map it is what the kernel says of it,
without what its allocator rounds up, and keeps of what was deleted last. Of one family it is
what its half of the sessions added to the maps that keep them, and of all the rest the same for
each session. nf_nat_ftp: slab objects that {kernel:,} such sessions took, and its hash table at one
bucket for each connection; not its code. Its objects are made one by one, each as large whatever
their number: so many sessions are enough."""


class Accounts:
    """A memory cgroup of our own, of whichever version there is."""

    def __init__(self):
        version1 = os.path.isdir("/sys/fs/cgroup/memory")
        root = "/sys/fs/cgroup/memory" if version1 else "/sys/fs/cgroup"
        self._usage = "memory.usage_in_bytes" if version1 else "memory.current"
        self._most = "memory.max_usage_in_bytes" if version1 else "memory.peak"
        with open("/proc/self/cgroup", encoding="ascii") as file:
            own = next(line.strip().split(":", 2)[2] for line in file
                       if (line.split(":")[1] == ("memory" if version1 else "")))
        self._own = root + own
        self.path = os.path.join(root, RUN)
        guardian.watch("cgroup", self.path)
        os.mkdir(self.path)
        check(os.path.exists(os.path.join(self.path, self._usage)),
              f"{self.path} has no {self._usage}: no memory controller")

    @contextlib.contextmanager
    def inside(self):
        """Processes that are started meanwhile, and all that they make, are charged here."""
        self._enter(self.path)
        try:
            yield
        finally:
            self._enter(self._own)

    @staticmethod
    def _enter(path):
        with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def bytes(self):
        return self._read(self._usage)

    def most(self):
        """That it ever was."""
        return self._read(self._most)

    def _read(self, name):
        with open(os.path.join(self.path, name), encoding="ascii") as file:
            return int(file.read())

    def close(self):
        guardian.remove("cgroup", self.path)


# More than a session takes, by far.
SESSION_BYTES = 2500
# The virtual address and the server's, by the name of their family.
ADDRESSES = {"IPv4": (VIP, SERVER), "IPv6": (VIP6, SERVER6)}


def fill(world, lane, family, sessions):
    """Opens that many sessions through the lane's node."""
    talker = Talker(world, "packets", lane.client.path, lane.server.path, END, NODE_MAC,
                    *ADDRESSES[family])
    for first in range(0, sessions, STEP):
        count = min(STEP, sessions - first)
        opened, = talker.ask("sessions", first, count)
        equal(opened, count, "sessions that were opened")
        opened, *_nanoseconds = talker.ask("hold")
        equal(opened, count, "sessions that got their data connections")
    talker.close()


def map_sizes(ftpfix):
    """Bytes of each map, by name, with what an entry of it has."""
    done = subprocess.run([f"{PROGRAMS}/maps", str(ftpfix.pid)], stdout=subprocess.PIPE,
                          text=True, check=True)
    sizes = {}
    for line in done.stdout.splitlines():
        name, key, value, _most, size = line.split()
        sizes[f"map {name} (key {key}, value {value} bytes)"] = int(size)
    return sizes


def lasting_size(ftpfix):
    """Bytes of all maps but that of drafts, whose entries a session does without once it has
    settled."""
    sizes = map_sizes(ftpfix)
    drafts, = (size for name, size in sizes.items() if name.startswith("map drafts "))
    return sum(sizes.values()) - drafts


def check_sessions(ftpfix, sessions):
    """All that was measured is still there."""
    counters = ftpfix.counters()
    for name, count in (("balanced established", sessions), ("connections opened", sessions),
                        ("connections expected", 2 * sessions), ("connections nobody_came", 0),
                        ("connections replaced", 0), ("connections crowded_out", 0),
                        ("balanced crowded_out", 0), ("connections timed_out", 0)):
        equal(counters[name], count, f"of {sessions} sessions: {name}")


def of_ftpfix(world, table, sessions):
    """Returns bytes for one session, by family."""
    accounts = Accounts()
    world.keep(accounts)
    lane = Lane(world, ipv6=True)
    balanced = [word for vip, server in ADDRESSES.values()
                for word in ("--vip", vip, "--server", server)]
    with accounts.inside():
        ftpfix = Ftpfix(world, lane.node, "--dev", UPLINK, "--server-dev", INSIDE,
                        "--forward", "nat", "--xdp", "off", *balanced,
                        "--health-interval", "0", "--max-sessions", str(sessions),
                        "--expect-timeout", str(EXPECT_SECONDS))
    empty = accounts.bytes()
    maps = [lasting_size(ftpfix)]
    for family in ADDRESSES:
        fill(world, lane, family, sessions // len(ADDRESSES))
        maps.append(lasting_size(ftpfix))
    time.sleep(SETTLE_SECONDS)
    full = accounts.bytes()
    check_sessions(ftpfix, sessions)
    rest = (full - (maps[-1] - maps[0])) / sessions
    found = {family: rest + (after - before) * len(ADDRESSES) / sessions
             for family, before, after in zip(ADDRESSES, maps, maps[1:])}
    for family, size in found.items():
        table.add(f"ftpfix: {family}", "all of it", size)
    row = "ftpfix: half of them over IPv4, half over IPv6"
    table.add(row, "all of it", full / sessions)
    table.add(row, "  of it before the first session", empty / sessions)
    table.add(row, "  the most it was while they were opened", accounts.most() / sessions)
    sizes = map_sizes(ftpfix)
    for name, size in sorted(sizes.items(), key=lambda one: -one[1]):
        if size > sessions:
            table.add(row, f"  {name}", size / sessions)
    table.add(row, "  no map's: programs, daemon, allocator",
              (full - sum(sizes.values())) / sessions)
    return found


def slabs():
    """Bytes in use, by slab cache, of those that connections have objects of."""
    with open("/proc/slabinfo", encoding="ascii") as file:
        lines = [line.split() for line in file.readlines()[2:]]
    return {name: int(used) * int(size) for name, used, _all, size, *_rest in lines
            if re.match(r"nf_conntrack$|kmalloc-\d", name)}


def slabs_at_rest(sessions):
    """The same once nothing of what was measured before is freed any more: that would be taken
    for what these sessions do without."""
    still, before = 0, slabs()
    for _second in range(REST_SECONDS_MAX):
        time.sleep(1)
        now = slabs()
        moved = [name for name, size in now.items()
                 if abs(size - before.get(name, 0)) > sessions]
        still, before = 0 if moved else still + 1, now
        if still == REST_SECONDS:
            return now
    check(False, f"the kernel's objects are not at rest after {REST_SECONDS_MAX} s: {moved}")


def expectation_bytes():
    """Such a cache may be one with another of the same size, and is not listed then."""
    with open("/sys/kernel/slab/nf_conntrack_expect/slab_size", encoding="ascii") as file:
        return int(file.read())


def of_kernel(world, table, family, sessions):
    """Returns bytes for one session."""
    lane = Lane(world, ipv6=family == "IPv6")
    vip, server = ADDRESSES[family]
    nat(lane.node, [vip], "21", server, helper=True)
    before = slabs_at_rest(sessions)
    fill(world, lane, family, sessions)
    after = slabs()
    found = {"  hash table, a bucket each connection": 2 * 8 * sessions,
             "  nf_conntrack_expect, one object": expectation_bytes() * sessions}
    for name, size in after.items():
        grown = size - before.get(name, 0)
        # So much grows with the sessions alone, not with other work of the kernel.
        if name == "nf_conntrack" or grown > 32 * sessions:
            found[f"  {name}, all objects"] = grown
    total = sum(found.values()) / sessions
    row = f"nf_conntrack, nf_nat_ftp: {family}"
    table.add(row, "all of it", total)
    for name, size in found.items():
        table.add(row, name, size / sessions)
    return total


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file
                    if line.startswith("MemAvailable:"))


def measure(world, figures, sessions, kernel_sessions):
    if memory_available() < sessions * SESSION_BYTES:
        figures.skip("memory of one session",
                     f"needs {sessions * SESSION_BYTES >> 20} MB of free memory")
        return
    table = figures.table("memory", "Memory of one session", "bytes",
                          NOTE.format(sessions=sessions, kernel=kernel_sessions,
                                      settle=SETTLE_SECONDS))
    # Of its own, so that the memory is free again before the next one.
    with World(world.directory) as inner:
        own = of_ftpfix(inner, table, sessions)
    with large_conntrack():
        kernel = {family: of_kernel(world, table, family, kernel_sessions) for family in ADDRESSES}
    for family, size in kernel.items():
        figures.target(f"memory of one session, ftpfix / nf_conntrack: {family}",
                       own[family] / size, 1, False)
