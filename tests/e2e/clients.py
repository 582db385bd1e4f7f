# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real FTP clients: each downloads, uploads or lists, in passive or in active
mode, told to obey what the server announces where it would rather not. What a
client is, and those that take commands; clients_oneshot.py has those that do
one transfer, clients_scripted.py the libraries of languages."""
import ftplib
import os
import shutil
import subprocess
from dataclasses import dataclass

from .check import Skipped
from .files import checksum

# Long enough for any transfer here; only a hang lasts longer.
SECONDS = 20
# A client without ftpfix that still waits after this time hangs.
HANGING_SECONDS = 4

# What asks for a data connection: by (active, extended).
VERBS = {(False, False): "PASV", (False, True): "EPSV",
         (True, False): "PORT", (True, True): "EPRT"}


@dataclass
class Outcome:
    output: str
    local: str

    def checksum(self):
        return checksum(self.local) if os.path.exists(self.local) else None


class Client:
    """Runs in a namespace against one service. `extended` asks for EPSV, or for
    EPRT when `active`; over IPv6 there is nothing else."""

    program = None
    # What it can be made to ask with.
    verbs4 = ("PASV", "EPSV", "PORT", "EPRT")
    verbs6 = ("EPSV", "EPRT")
    # Why not with the others.
    lacks = {}
    stores = True

    def __init__(self, world, namespace, address, port, login, extended=False, active=False):
        if self.program and not shutil.which(self.program):
            raise Skipped(f"{self.program} is not installed")
        self.world = world
        self.namespace = namespace
        self.address = address
        self.port = port
        self.login = login
        self.extended = extended
        self.active = active

    @property
    def verb(self):
        return VERBS[self.active, self.extended]

    @property
    def ipv6(self):
        return ":" in self.address

    @property
    def host(self):
        """The address as a URL names it."""
        return f"[{self.address}]" if self.ipv6 else self.address

    def run(self, command, text_in=None, seconds=SECONDS):
        # Some leave histories and caches in their home.
        command = ["env", f"HOME={self.world.directory}", *command]
        try:
            return self.namespace.run(*command, check=False, timeout=seconds,
                                      text_in=text_in).stdout
        except subprocess.TimeoutExpired as expired:
            return (expired.stdout or b"").decode(errors="replace") + "[client hangs]"

    def local(self, remote):
        return self.world.path(f"got-{type(self).__name__}-{self.verb}", os.path.basename(remote))

    def download(self, remote, seconds=SECONDS):
        local = self.local(remote)
        if os.path.exists(local):
            os.remove(local)
        return Outcome(self.fetch(remote, local, seconds), local)

    def fetch(self, remote, local, seconds):
        raise NotImplementedError

    def store(self, local, remote):
        raise NotImplementedError

    def list(self, remote):
        raise NotImplementedError


class Interactive(Client):
    """The classic ftp(1), fed with commands."""

    def script(self, *commands, seconds=SECONDS):
        lines = [f"open {self.address} {self.port}", f"user {self.login[0]} {self.login[1]}",
                 "binary", *self.mode(), *commands, "bye"]
        return self.run([self.program, "-n", "-i", "-v", *self.options()],
                        "\n".join(lines) + "\n", seconds)

    def options(self):
        raise NotImplementedError

    def mode(self):
        raise NotImplementedError

    def fetch(self, remote, local, seconds):
        return self.script(f"get {remote} {local}", seconds=seconds)

    def store(self, local, remote):
        return self.script(f"put {local} {remote}")

    def list(self, remote):
        return self.script(f"dir {remote}")


class Tnftp(Interactive):
    program = "tnftp"

    def options(self):
        return ["-A" if self.active else "-p"]

    def mode(self):
        return [] if self.extended else ["epsv4"]


class Inetutils(Interactive):
    program = "inetutils-ftp"

    def options(self):
        return [] if self.active else ["-p"]

    def mode(self):
        return ["epsv4"] if self.extended and not self.ipv6 else []


class Curl(Client):
    program = "curl"

    def _command(self, *words):
        if self.active:
            mode = ["--ftp-port", "-", *([] if self.extended else ["--disable-eprt"])]
        else:
            mode = [] if self.extended else ["--disable-epsv", "--no-ftp-skip-pasv-ip"]
        return ["curl", "-sS", "-v", *mode, "-u", ":".join(self.login), *words]

    def _url(self, remote):
        return f"ftp://{self.host}:{self.port}/{remote}"

    def fetch(self, remote, local, seconds):
        return self.run(self._command("-o", local, self._url(remote)), seconds=seconds)

    def store(self, local, remote):
        return self.run(self._command("-T", local, self._url(remote)))

    def list(self, remote):
        return self.run(self._command(self._url(remote) + "/"))


class Lftp(Client):
    program = "lftp"
    verbs4 = ("PASV", "EPSV", "PORT")
    lacks = {"EPRT": "lftp sends EPRT over IPv6 only"}

    def command(self, commands):
        settings = ("set net:max-retries 1; set net:timeout 5; set cmd:fail-exit yes; "
                    "set ftp:fix-pasv-address no; set ftp:auto-passive-mode no; "
                    # The data connection must come from where the control connection goes.
                    "set ftp:verify-address yes; "
                    f"set ftp:passive-mode {'no' if self.active else 'yes'}; "
                    f"set ftp:prefer-epsv {'yes' if self.extended else 'no'}; ")
        login = f"open -u {self.login[0]},{self.login[1]} ftp://{self.host}:{self.port}; "
        return ["lftp", "--norc", "-c", settings + login + commands]

    def script(self, commands, seconds=SECONDS):
        return self.run(self.command(commands), seconds=seconds)

    def fetch(self, remote, local, seconds):
        return self.script(f"get {remote} -o {local}", seconds)

    def store(self, local, remote):
        return self.script(f"put {local} -o {remote}")

    def list(self, remote):
        return self.script(f"ls {remote}")

    def fetch_many(self, pattern, directory, parallel):
        os.makedirs(directory)
        return self.script(f"lcd {directory}; mget -P {parallel} {pattern}")


class Ftplib(Client):
    """Python's, in the namespace by a thread."""

    verbs4 = ("PASV", "EPSV", "PORT")
    lacks = {"EPRT": "ftplib sends EPRT over IPv6 only"}

    def _session(self, action, seconds=SECONDS):
        transcript = []

        def talk():
            with ftplib.FTP(timeout=min(seconds, HANGING_SECONDS)) as ftp:
                ftp.trust_server_pasv_ipv4_address = True
                transcript.append(ftp.connect(self.address, self.port))
                transcript.append(ftp.login(*self.login))
                ftp.set_pasv(not self.active)
                if self.extended and not self.active:
                    ftp.af = None  # makepasv() then asks for EPSV
                action(ftp)
        try:
            self.namespace.call(talk)
        except (OSError, EOFError, ftplib.Error) as error:
            transcript.append(repr(error))
        return "\n".join(transcript)

    def fetch(self, remote, local, seconds):
        def get(ftp):
            with open(local, "wb") as file:
                ftp.retrbinary(f"RETR {remote}", file.write)
        return self._session(get, seconds)

    def store(self, local, remote):
        def put(ftp):
            with open(local, "rb") as file:
                ftp.storbinary(f"STOR {remote}", file)
        return self._session(put)

    def list(self, remote):
        lines = []
        text = self._session(lambda ftp: ftp.retrlines(f"LIST {remote}", lines.append))
        return "\n".join([text, *lines])
