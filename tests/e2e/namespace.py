# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A network namespace: made, entered, removed. Knows no addresses.

Programs enter with nsenter, since "ip netns exec" mounts a fresh /sys. Python
code enters with a thread, since the namespace belongs to the thread: a socket
made there stays there.
"""
import ctypes
import itertools
import os
import secrets
import subprocess
import threading

from .guardian import guardian
from .process import Process

CLONE_NEWNET = 0x40000000
# Two runs at once must not meet.
RUN = f"ftpfix-{os.getpid()}-{secrets.token_hex(3)}"

_libc = ctypes.CDLL(None, use_errno=True)
_number = itertools.count()


class Namespace:
    def __init__(self, role):
        self.role = role
        self.name = f"{RUN}-{next(_number)}-{role}"
        self.path = f"/run/netns/{self.name}"
        guardian.watch("namespace", self.name)
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
        self.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
        self.run("ip", "link", "set", "lo", "up")

    def close(self):
        guardian.remove("namespace", self.name)

    def command(self, *words):
        return ["nsenter", f"--net={self.path}", *words]

    def run(self, *words, check=True, timeout=30, text_in=None):
        """Runs a program to its end; returns it with its output."""
        done = subprocess.run(
            self.command(*words), input=text_in, stdin=None if text_in else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.role}: {' '.join(words)}: {done.stdout}")
        return done

    def spawn(self, *words, name=None):
        return Process(self.command(*words), name or words[0].rsplit("/", 1)[-1])

    def sysctl(self, path, value):
        def write():
            with open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
                file.write(str(value))
        self.call(write)

    def start(self, function):
        """Starts a function inside the namespace; returns how to wait for it."""
        result = {}

        def enter():
            try:
                with open(self.path, "rb") as file:
                    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), f"setns {self.path}")
                result["value"] = function()
            except BaseException as error:  # handed to whoever waits
                result["error"] = error

        thread = threading.Thread(target=enter, daemon=True)
        thread.start()

        def finish(seconds=60):
            thread.join(seconds)
            if thread.is_alive():
                raise TimeoutError(f"{self.role}: not done within {seconds} s")
            if "error" in result:
                raise result["error"]
            return result["value"]
        return finish

    def call(self, function):
        """Runs a function inside the namespace and returns what it returns."""
        return self.start(function)()
