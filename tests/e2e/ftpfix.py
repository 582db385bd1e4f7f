# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The program under test, run in a namespace."""
import ctypes
import errno
import glob
import json
import os
import platform
import re
import signal
import socket

from .check import Failed, equal, wait_until
from .servers import TOP

# Another build is tried with FTPFIX=its path.
PROGRAM = os.path.abspath(os.environ.get("FTPFIX") or os.path.join(TOP, "build", "ftpfix"))

READY = "ready"
# The kernel's verifier reads every program once, on whatever machine this is.
READY_SECONDS = 60
BPF_PROG_QUERY = 16
TCX_INGRESS, TCX_EGRESS = 46, 47
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}

_libc = ctypes.CDLL(None, use_errno=True)


class _Query(ctypes.Structure):
    """The part of union bpf_attr that BPF_PROG_QUERY reads and writes."""
    _fields_ = [("ifindex", ctypes.c_uint32), ("attach_type", ctypes.c_uint32),
                ("query_flags", ctypes.c_uint32), ("attach_flags", ctypes.c_uint32),
                ("ids", ctypes.c_uint64), ("count", ctypes.c_uint32),
                ("padding", ctypes.c_uint32), ("more", ctypes.c_uint64 * 12)]


def attached(namespace, device):
    """How many TC programs an interface has, by TCX or by a classic filter."""
    def query():
        total = 0
        for attach_type in (TCX_INGRESS, TCX_EGRESS):
            request = _Query(ifindex=socket.if_nametoindex(device), attach_type=attach_type)
            if _libc.syscall(BPF_SYSCALL[platform.machine()], BPF_PROG_QUERY,
                             ctypes.byref(request), ctypes.sizeof(request)) != 0:
                if ctypes.get_errno() == errno.EINVAL:
                    return 0  # a kernel without TCX
                raise OSError(ctypes.get_errno(), f"BPF_PROG_QUERY {device}")
            total += request.count
        return total
    # Without a clsact qdisc tc fails: then there is no filter.
    filters = [namespace.run("tc", "filter", "show", "dev", device, side, check=False).stdout
               for side in ("ingress", "egress")]
    return namespace.call(query) + sum(shown.count(" handle 0x") for shown in filters)


class Ftpfix:
    def __init__(self, world, namespace, *options):
        self.namespace = namespace
        self._before = {}
        self._last = {}
        self._process = namespace.spawn(PROGRAM, "run", *options, name="ftpfix")
        world.keep(self)
        self._process.wait_for(lambda: READY in self._process.lines, "ready", READY_SECONDS)

    @property
    def pid(self):
        return self._process.pid

    def _ask(self, *words):
        return self.namespace.run(PROGRAM, *words).stdout

    def set(self, what, value):
        self._ask("set", what, value)

    def server(self, verb, *words):
        """Adds, removes or drains a server."""
        self._ask("server", verb, *words)

    def show(self, section):
        return json.loads(self._ask("show", section, "--json"))[section]

    def counters(self):
        """By family and reason: {"announcements rewritten": 1, …}."""
        found = re.findall(r'^ftpfix_(\w+)_total\{(?:.*,)?reason="(\w+)".*\} (\d+)$',
                           self._ask("metrics"), re.MULTILINE)
        if not found:
            raise Failed("no counter in the metrics")
        self._last = {f"{family} {reason}": int(value) for family, reason, value in found}
        return self._last

    def mark(self):
        """Counts from here on."""
        self._before = self.counters()

    def counted(self, name):
        """How often since the last mark."""
        return self.counters()[name] - self._before.get(name, 0)

    def announced(self, **reasons):
        """How many announcements since the last mark had which reason: these
        numbers, and no other announcement."""
        counters = self.counters()
        seen = {name.split(" ")[1]: value - self._before.get(name, 0)
                for name, value in counters.items() if name.startswith("announcements ")}
        equal({reason: count for reason, count in seen.items() if count}, reasons,
              "announcements by reason")

    def settle(self, connections):
        """All data connections opened have ended, and nothing remembers them."""
        equal(self.counted("connections opened"), connections, "connections opened")
        wait_until(lambda: self.counted("connections closed") == connections,
                   "every data connection closed")
        wait_until(lambda: not self.data_flows(), "no flow left")

    def data_flows(self):
        return [flow for flow in self.show("flows") if flow["kind"] == "data"]

    def memory(self):
        """The bytes that its maps take at present."""
        found = {}
        for path in glob.glob(f"/proc/{self._process.pid}/fdinfo/*"):
            with open(path, encoding="ascii") as file:
                fields = dict(line.split(":", 1) for line in file.read().splitlines())
            if "map_id" in fields:
                found[fields["map_id"]] = int(fields["memlock"])
        if not found:
            raise Failed("ftpfix has no map open")
        return sum(found.values())

    def stop(self, number=signal.SIGTERM):
        """Ends as an operator would end it, and must end well."""
        self.counters()
        equal(self._process.stop(number), 0, f"exit status of ftpfix after signal {number}")

    def send(self, number):
        self._process.send(number)

    def kill(self):
        self._process.kill()

    def describe(self):
        nonzero = [f"counter: {name} {value}" for name, value in self._last.items() if value]
        return self._process.describe() + nonzero
