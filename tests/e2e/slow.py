# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A transfer that takes its time, in the background, while a scenario does something
to it: lftp with a limited rate."""
import os
import subprocess

from .check import Failed, equal, wait_until
from .clients import Lftp
from .files import checksum


class Slow:
    """`size` bytes within about `seconds`, over EPSV or, unless `extended`, PASV; over PORT
    when `active`. `elsewhere` takes an announced address that is not the dialled one; `patience` is how many seconds of
    standing still end it."""

    def __init__(self, world, namespace, address, server, size, seconds, upload=False,
                 extended=True, active=False, elsewhere=False, patience=10):
        self._server = server
        self._size = size
        number = len(os.listdir(world.directory))
        self._local = world.path(f"slow-{number}.bin")
        self._remote = f"pub/slow-{number}.bin"
        self._upload = upload
        if upload:
            with open(self._local, "wb") as file:
                file.write(os.urandom(size))
            command = f"put {self._local} -o {self._remote}"
        else:
            server.files.write(self._remote, size)
            command = f"get {self._remote} -o {self._local}"
        # What waits in buffers has passed the balancer already.
        for buffers in ("tcp_rmem", "tcp_wmem"):
            namespace.sysctl(f"net/ipv4/{buffers}", "4096 65536 65536")
        client = Lftp(world, namespace, address, server.port, server.login, extended,
                      active)
        self._process = world.keep(namespace.spawn(*client.command(
            f"set ftp:verify-address {'no' if elsewhere else 'yes'}; "
            f"set net:limit-rate {int(size / seconds)}; set net:timeout {patience}; {command}")))
        self.until(0.05)

    def done(self):
        """How much of it has arrived, as a part of 1."""
        arrived = self._server.files.path(self._remote) if self._upload else self._local
        return os.path.getsize(arrived) / self._size if os.path.exists(arrived) else 0

    def running(self):
        return self._process.running()

    def until(self, part, seconds=20):
        """Waits until this part of it has arrived."""
        wait_until(lambda: self.done() >= part or not self.running(),
                   f"{part:.0%} of a slow transfer", seconds)
        if self.done() < part:
            raise Failed(f"a slow transfer ended at {self.done():.0%}: {self._process.lines[-5:]}")

    def finish(self, seconds=30):
        """It must end well, and every byte must be right."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired as expired:
            raise Failed(f"a slow transfer hangs at {self.done():.0%}") from expired
        equal(status, 0, f"exit status of a slow transfer at {self.done():.0%} "
                         f"({self._process.lines[-5:]})")
        equal(checksum(self._local), self._server.files.checksum(self._remote),
              "checksum of a slow transfer")
