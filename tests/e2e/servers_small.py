# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real servers that have no configuration file: pyftpdlib, a library, and
busybox. In active mode they connect from any port, not from 20."""
import os
import subprocess
import sys

from .check import Skipped
from .files import Files
from .servers import ANONYMOUS, ANY, UNPACKED, Server

PYFTPDLIB = os.path.join(UNPACKED, "pyftpdlib", "usr", "lib", "python3", "dist-packages")
PROXIED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "proxied_ftpd.py")
BUSYBOX = os.path.join(UNPACKED, "busybox", "busybox")
BUSYBOX_USER = "nobody"


def pyftpdlib(world, namespace, port=21, family=4, proxy=None):
    """`proxy` is the version of the header that its control connections must begin with."""
    if not os.path.exists(PYFTPDLIB):
        raise Skipped("pyftpdlib is not in build/servers (tools/servers)")
    name = f"{namespace.role}-pyftpdlib-{port}"
    files = Files(world, name)
    return Server(world, namespace, name, files, ANONYMOUS,
                  ["env", f"PYTHONPATH={PYFTPDLIB}", "PYTHONDONTWRITEBYTECODE=1",
                   # It stands on asyncore, which Python 3.12 removed.
                   _python_with_asyncore(), "-W", "ignore",
                   *([PROXIED, proxy] if proxy else ["-m", "pyftpdlib"]), "-i", ANY[family], "-p",
                   str(port), "-d", files.root, "-w"], port)


def _python_with_asyncore():
    for python in ("/usr/bin/python3", sys.executable):
        if os.path.exists(python) and subprocess.run(
                [python, "-W", "ignore", "-c", "import asyncore"],
                stderr=subprocess.DEVNULL).returncode == 0:
            return python
    raise Skipped("pyftpdlib needs a Python before 3.12")


def busybox(world, namespace, port=21, family=4):
    if not os.path.exists(BUSYBOX):
        raise Skipped("busybox is not in build/servers (tools/busybox)")
    name = f"{namespace.role}-busybox-{port}"
    files = Files(world, name)
    return Server(world, namespace, name, files, ANONYMOUS,
                  [BUSYBOX, "tcpsvd", "-v", "-E", ANY[family], str(port),
                   BUSYBOX, "ftpd", "-w", "-v", "-a", BUSYBOX_USER, files.root], port)
