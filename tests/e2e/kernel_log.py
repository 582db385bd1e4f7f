# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel complained about since the last look."""
import os
import re

COMPLAINT = re.compile(r"WARNING:|BUG:|Oops|Call Trace|refcount|hw csum failure|stack segment|"
                       r"general protection|unregister_netdevice: waiting")


class KernelLog:
    def __init__(self):
        self._file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._file, 0, os.SEEK_END)

    def complaints(self):
        found = []
        while True:
            try:
                record = os.read(self._file, 8192).decode(errors="replace")
            except BlockingIOError:
                return found
            except BrokenPipeError:  # records were overwritten before they were read
                continue
            text = record.split(";", 1)[-1].splitlines()[0]
            if COMPLAINT.search(text):
                found.append(text)

    def close(self):
        os.close(self._file)
