# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What no end-to-end test can do without."""
import os
import shutil

from .ftpfix import PROGRAM

NEEDED_PROGRAMS = ("ip", "nsenter", "nft", "ss", "tc", "genl", "ethtool")


def missing():
    """Why no test can run here, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists(PROGRAM):
        return f"needs {os.path.relpath(PROGRAM)} (make)"
    absent = [program for program in NEEDED_PROGRAMS if not shutil.which(program)]
    return f"needs {', '.join(absent)} (tools/install-needed)" if absent else None
