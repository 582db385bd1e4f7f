# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program that runs beside the test, its output kept. Knows no network."""
import signal
import subprocess
import threading

from .check import Failed, wait_until


class Process:
    def __init__(self, command, name):
        self.name = name
        self.lines = []
        self._popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._popen.pid

    def _read(self):
        for line in self._popen.stdout:
            self.lines.append(line.rstrip("\n"))

    def running(self):
        return self._popen.poll() is None

    def wait_for(self, condition, what, seconds=10):
        """Waits for a condition, and fails at once when the program ends."""
        def settled():
            return condition() or not self.running()
        wait_until(settled, f"{self.name}: {what}", seconds)
        if not self.running():
            self._reader.join(timeout=1)
            raise Failed(f"{self.name} ended with {self._popen.returncode}, "
                         f"not {what}: {self.lines[-5:]}")

    def wait(self, seconds=10):
        """Waits for the end of the program and of its output."""
        status = self._popen.wait(seconds)
        self._reader.join(timeout=1)
        return status

    def send(self, number):
        self._popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Signals the program and returns its exit status; kills it when deaf."""
        if self.running():
            self._popen.send_signal(number)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self.wait()
            raise Failed(f"{self.name} did not end within {seconds} s of signal {number}")

    def kill(self):
        if self.running():
            self._popen.kill()
        self.wait()

    def describe(self):
        return [f"{self.name}: {line}" for line in self.lines[-40:]]
