# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Removes namespaces, cgroups and directories that a test run made, and puts settings
of the kernel back, however it ended.

A second process reads from a pipe what exists. When the pipe closes, because
the run is over or was killed, it removes whatever is left. It knows nothing of
what they are for, and touches only the names it was told.
"""
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

REMOVAL_SECONDS = 10


def remove_namespace(name):
    """Ends the processes inside a namespace, then removes it."""
    end = time.monotonic() + REMOVAL_SECONDS
    while time.monotonic() < end:
        listing = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
        if listing.returncode != 0 or not listing.stdout.split():
            break
        for pid in listing.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


def kill_cgroup(path):
    with open(os.path.join(path, "cgroup.kill"), "w", encoding="ascii") as file:
        file.write("1")


def remove_cgroup(path):
    """Ends the processes inside, then removes it."""
    end = time.monotonic() + REMOVAL_SECONDS
    while os.path.isdir(path) and time.monotonic() < end:
        for attempt in (kill_cgroup, os.rmdir):
            try:
                attempt(path)
            except OSError:
                time.sleep(0.01)  # of version 1, or they have not ended yet


def remove_directory(path):
    shutil.rmtree(path, ignore_errors=True)


def restore_setting(name):
    """The name is "VALUE PATH"."""
    value, path = name.split(" ", 1)
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


REMOVERS = {"namespace": remove_namespace, "cgroup": remove_cgroup,
            "directory": remove_directory, "setting": restore_setting}


class Guardian:
    """The parent's end of the pipe."""

    def __init__(self):
        self._process = None
        self._lock = threading.Lock()

    def watch(self, kind, name):
        with self._lock:
            if self._process is None:
                # Of its own session, so that a signal to the run's group spares it.
                self._process = subprocess.Popen(
                    [sys.executable, __file__], stdin=subprocess.PIPE,
                    text=True, start_new_session=True)
        self._tell("+", kind, name)

    def remove(self, kind, name):
        REMOVERS[kind](name)
        self._tell("-", kind, name)

    def _tell(self, sign, kind, name):
        with self._lock:
            self._process.stdin.write(f"{sign} {kind} {name}\n")
            self._process.stdin.flush()

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process = None


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    present = {}
    for line in sys.stdin:
        sign, kind, name = line.rstrip("\n").split(" ", 2)
        if sign == "+":
            present[name] = kind
        else:
            present.pop(name, None)
    for name, kind in reversed(present.items()):
        REMOVERS[kind](name)


guardian = Guardian()

if __name__ == "__main__":
    main()
