# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A receiver of TOA on the servers' hosts, for programs of a cgroup: what the kernel
module of that name does, done by programs/toa_receiver.bpf.c."""
import os
import shutil
import subprocess

from .check import Skipped
from .guardian import guardian
from .namespace import RUN

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs",
                      "toa_receiver.bpf.c")
COMPILERS = ("clang-14", "clang-19", "clang")
# How programs are pinned by their names, and attached.
HOOKS = {"accepted": "sock_ops", "peer4": "getpeername4", "peer6": "getpeername6"}
# Pins are needed for a moment only: in a mount namespace that ends with the command.
ATTACH = """
set -e
mkdir "$1/pins"
mount -t bpf bpf "$1/pins"
bpftool prog loadall "$1/receiver.o" "$1/pins/programs"
shift
cgroup=$1
shift
while [ $# -gt 0 ]; do
    bpftool cgroup attach "$cgroup" "$2" pinned "$3/$1"
    shift 3
done
"""


def _run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stdout}")


def _mounted_cgroup():
    with open("/proc/mounts", encoding="ascii") as file:
        for line in file:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    raise Skipped("no cgroup v2 is mounted")


class ToaReceiver:
    def __init__(self, world):
        compiler = next(filter(shutil.which, COMPILERS), None)
        if not compiler or not shutil.which("bpftool"):
            raise Skipped("clang and bpftool, which make the receiver of TOA, are not installed")
        self.cgroup = os.path.join(_mounted_cgroup(), f"{RUN}-toa")
        guardian.watch("cgroup", self.cgroup)
        os.mkdir(self.cgroup)
        world.keep(self)
        directory = os.path.dirname(world.path("toa", "receiver.o"))
        _run(compiler, "-O2", "-g", "-target", "bpf", "-Wall", "-Werror", "-idirafter",
             f"/usr/include/{os.uname().machine}-linux-gnu", "-c", SOURCE, "-o",
             os.path.join(directory, "receiver.o"))
        pins = os.path.join(directory, "pins", "programs")
        _run("unshare", "--mount", "sh", "-c", ATTACH, "sh", directory, self.cgroup,
             *[word for name, hook in HOOKS.items() for word in (name, hook, pins)])

    def close(self):
        guardian.remove("cgroup", self.cgroup)

    def on(self, namespace):
        """The namespace, with the receiver under the programs that are started in it."""
        return _Received(namespace, self.cgroup)


class _Received:
    def __init__(self, namespace, cgroup):
        self._namespace = namespace
        self._cgroup = cgroup

    def __getattr__(self, name):
        return getattr(self._namespace, name)

    def spawn(self, *words, name=None):
        return self._namespace.spawn("sh", "-c", 'echo $$ > "$0" && exec "$@"',
                                     os.path.join(self._cgroup, "cgroup.procs"), *words,
                                     name=name or words[0].rsplit("/", 1)[-1])
