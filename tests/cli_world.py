# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What tests/cli.py tests with: a namespace, a daemon in it, and TAP.

Knows nothing of what is tested.
"""
import atexit
import ctypes
import json
import os
import platform
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RUN = f"ftpfix-cli-{os.getpid()}"
WORK = Path(tempfile.mkdtemp(prefix=RUN))
FTPFIX = WORK / "ftpfix"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# A user with the capabilities that ftpfix asks for.
CAPABLE = [*NOBODY, *(f"--{which}-caps=+bpf,+perfmon,+net_admin" for which in ("inh", "ambient"))]
# A verifier under load, or a build with sanitizers, takes its time.
PATIENCE = 60

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_QUERY = 16
TCX = {"ingress": 46, "egress": 47}

TESTS = []


class Skipped(Exception):
    """The test needs something that this machine lacks."""


def test(function):
    TESTS.append(function)
    return function


def equal(actual, expected, what):
    assert actual == expected, f"{what}: expected {expected!r}, got {actual!r}"


def contains(text, part, what):
    assert part in text, f"{what}: {part!r} is not in {text!r}"


def wait_until(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Daemon:
    """A running `ftpfix run`."""

    def __init__(self, world, args, env, prefix):
        self.log_path = WORK / f"log-{time.monotonic_ns()}"
        with open(self.log_path, "wb") as log:
            # nsenter, and what stands in the prefix, become ftpfix: the pid is the daemon's.
            self.process = subprocess.Popen(
                world.enter(*prefix, FTPFIX, "run", *args), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, **env}, preexec_fn=die_with_parent)
        self.pid = self.process.pid
        self.map_ids = {}

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"ended early: {self.log()[-2000:]}"
            return "ready" in self.log().splitlines()
        wait_until(ready, "ready on stderr")
        return self

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def map_id(self, name):
        if name not in self.map_ids:
            self.map_ids[name] = self.find_map(name)
        return self.map_ids[name]

    def find_map(self, name):
        for info in Path(f"/proc/{self.pid}/fdinfo").iterdir():
            found = re.search(r"^map_id:\s*(\d+)", info.read_text(), re.M)
            if found and tool_json("map", "show", "id", found[1])["name"] == name:
                return found[1]
        raise AssertionError(f"no map {name}")

    def constants(self):
        """The constants that the programs were loaded with, by name."""
        return self.globals("ftpfix.rodata")

    def variables(self):
        """The variables of the programs, by name."""
        return self.globals("ftpfix.bss")

    def globals(self, name):
        dump, = tool_json("map", "dump", "id", self.map_id(name))
        section, = dump["formatted"]["value"].values()
        return {name: value for constant in section for name, value in constant.items()}

    def maps(self, name):
        """The entries of one of its maps, read without its help."""
        return [(bytes(int(byte, 16) for byte in entry["key"]),
                 bytes(int(byte, 16) for byte in entry["value"]))
                for entry in tool_json("map", "dump", "id", self.map_id(name))]

    def insert(self, name, entries):
        """Writes entries into one of its maps, as the programs would."""
        identity = self.map_id(name)
        lines = [f"map update id {identity} key hex {key.hex(' ')} value hex {value.hex(' ')}\n"
                 for key, value in entries]
        subprocess.run([tool(), "batch", "file", "-"], input="".join(lines), check=True,
                       capture_output=True, text=True)


    def freeze(self, name):
        """From now on the daemon cannot write the map, but the programs can."""
        subprocess.run([tool(), "map", "freeze", "id", self.map_id(name)], check=True,
                       capture_output=True)


def tool():
    return shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def tool_json(*args):
    done = subprocess.run([tool(), "-j", *args], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


class World:
    """A namespace with an uplink (up0) and an interface toward servers (sv0)."""

    count = 0

    def __init__(self):
        World.count += 1
        self.name = f"{RUN}-{World.count}"
        self.daemons = []
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        # The guardian removes the namespace when its standard input ends:
        # when told to, and also when this program was killed.
        self.guardian = subprocess.Popen(
            ["sh", "-c", 'cat >/dev/null; ip netns delete "$0"', self.name],
            stdin=subprocess.PIPE, start_new_session=True)
        self.do("ip link set lo up")
        for name in "up", "sv":
            self.do(f"ip link add {name}0 type veth peer name {name}1")
            self.do(f"ip link set {name}0 up")
            self.do(f"ip link set {name}1 up")
        self.do("ip addr add 203.0.113.5/24 dev up0")
        self.do("ip addr add 10.0.0.1/24 dev sv0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.end(signal.SIGKILL)
        self.guardian.stdin.close()
        self.guardian.wait(PATIENCE)

    def enter(self, *words):
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, words)]

    def do(self, words):
        done = subprocess.run(self.enter(*words.split()), capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def ftpfix(self, *args, prefix=()):
        return subprocess.run(self.enter(*prefix, FTPFIX, *args), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE)

    def start(self, *args, prefix=(), **env):
        daemon = Daemon(self, args, env, prefix)
        self.daemons.append(daemon)
        return daemon

    def run(self, *args, prefix=(), **env):
        return self.start(*args, prefix=prefix, **env).wait_ready()

    def refused(self, *args, text, status=1):
        done = self.ftpfix(*args)
        equal((done.returncode, done.stdout), (status, ""), " ".join(map(str, args)))
        contains(done.stderr, text, " ".join(map(str, args)))

    def show(self, *args):
        done = self.ftpfix("show", "--json", *args)
        equal((done.returncode, done.stderr), (0, ""), "show --json")
        return json.loads(done.stdout)

    def service(self):
        return self.show("services")["services"][0]

    def inside(self, function):
        """Calls the function in a thread that has entered the namespace."""
        result = []

        def call():
            with open(f"/run/netns/{self.name}", "rb") as file:
                assert LIBC.setns(file.fileno(), CLONE_NEWNET) == 0
            try:
                result.append(function())
            except Exception as error:  # raised again where it is waited for
                result.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    def tcx(self, device, direction):
        """The names of the programs there, in the order in which they run."""
        def query():
            ids = (ctypes.c_uint32 * 16)()
            attr = ctypes.create_string_buffer(struct.pack(
                "=IIIIQIIQQQQ", socket.if_nametoindex(device), TCX[direction], 0, 0,
                ctypes.addressof(ids), len(ids), 0, 0, 0, 0, 0))
            if LIBC.syscall(SYS_BPF, BPF_PROG_QUERY, attr, 64) != 0:
                error = ctypes.get_errno()
                raise Skipped(f"kernel without TCX: {os.strerror(error)}")
            return list(ids)[:struct.unpack_from("=I", attr.raw, 24)[0]]
        return [tool_json("prog", "show", "id", str(i))["name"] for i in self.inside(query)]

    def has_tcx(self):
        try:
            self.tcx("up0", "ingress")
        except Skipped:
            return False
        return True

    def all_tcx(self):
        return [self.tcx(device, direction) for device in ("up0", "sv0")
                for direction in TCX]

    def attached(self):
        """All that is attached to both interfaces, however."""
        return [self.all_tcx() if self.has_tcx() else [], self.tc("up0"), self.tc("sv0")]

    def tc(self, device="up0"):
        """Everything that tc knows about the interface, without statistics."""
        return [self.do(f"tc qdisc show dev {device}"),
                self.do(f"tc filter show dev {device} ingress"),
                self.do(f"tc filter show dev {device} egress")]

    def http(self, text, port=9199, host="127.0.0.1"):
        def ask():
            with socket.create_connection((host, port), timeout=10) as connection:
                connection.sendall(text.encode())
                answer = b""
                while part := connection.recv(65536):
                    answer += part
                return answer.decode()
        return self.inside(ask)

    def get(self, path, method="GET", **where):
        answer = self.http(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                           **where)
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), head, body

    def control(self, data, device="up0"):
        """What the daemon sends to someone who sends these bytes."""
        def ask():
            with socket.socket(socket.AF_UNIX) as asker:
                asker.settimeout(10)
                asker.connect(f"\0ftpfix/{socket.if_nametoindex(device)}")
                answer = b""
                try:
                    asker.sendall(data)
                    while part := asker.recv(65536):
                        answer += part
                except (BrokenPipeError, ConnectionResetError):
                    pass
                return answer
        return self.inside(ask)


def mapped(address):
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return bytes(10) + b"\xff\xff" + socket.inet_aton(address)


def as_nobody(*args):
    return subprocess.run([*NOBODY, FTPFIX, *args], capture_output=True, text=True)


def run_test(number, function):
    name = function.__name__.replace("_", " ")
    try:
        function()
    except Skipped as reason:
        print(f"ok {number} - {name} # SKIP {reason}", flush=True)
    except Exception:
        print(f"not ok {number} - {name}")
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        sys.stdout.flush()
        return 1
    else:
        print(f"ok {number} - {name}", flush=True)
    return 0


def main():
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "build/tests/ftpfix-sanitized"
    words = [word.replace(" ", "_") for word in sys.argv[2:]]
    TESTS[:] = [function for function in TESTS
                if not words or any(word in function.__name__ for word in words)]
    atexit.register(shutil.rmtree, WORK, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Whoever runs us may have had it ignored, which the daemon would take over.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    print(f"1..{len(TESTS)}", flush=True)
    if os.geteuid() != 0:
        for number, function in enumerate(TESTS, 1):
            print(f"ok {number} - {function.__name__.replace('_', ' ')} # SKIP needs root")
        return 0
    # A copy: users may run it, and a build meanwhile does not change it.
    WORK.chmod(0o755)
    shutil.copy(program, FTPFIX)
    FTPFIX.chmod(0o755)
    return 1 if sum(run_test(*item) for item in enumerate(TESTS, 1)) else 0
