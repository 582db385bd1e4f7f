# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that do one transfer for each command line: ncftp, wget, busybox."""
import os

from .check import Skipped
from .clients import SECONDS, Client
from .servers_small import BUSYBOX


class Ncftp(Client):
    """ncftpget, ncftpput and ncftpls; ncftp itself wants a terminal."""

    program = "ncftpget"
    verbs4 = ("PASV", "PORT")
    verbs6 = ()
    lacks = {"EPSV": "ncftp knows no EPSV", "EPRT": "ncftp knows no EPRT",
             "IPv6": "ncftp knows no IPv6"}

    def _command(self, program, *words):
        return [program, *(["-V"] if program != "ncftpls" else []), "-t", "5", "-r", "1",
                "-d", "stdout", "-E" if self.active else "-F",
                "-u", self.login[0], "-p", self.login[1], "-P", str(self.port), *words]

    def fetch(self, remote, local, seconds):
        return self.run(self._command("ncftpget", "-Z", "-C", self.address, remote, local),
                        seconds=seconds)

    def store(self, local, remote):
        return self.run(self._command("ncftpput", "-Z", "-C", self.address, local, remote))

    def list(self, remote):
        return self.run(self._command("ncftpls", "-l", f"ftp://{self.host}/{remote}/"))


class Wget(Client):
    program = "wget"
    verbs4 = ("PASV", "PORT")
    lacks = {"EPSV": "wget sends EPSV over IPv6 only", "EPRT": "wget sends EPRT over IPv6 only"}
    stores = False

    def _get(self, remote, local, seconds):
        mode = ["--no-passive-ftp"] if self.active else []
        return self.run(["wget", "-d", "--tries=1", "--timeout=5", *mode,
                         f"--user={self.login[0]}", f"--password={self.login[1]}",
                         "-O", local, f"ftp://{self.host}:{self.port}/{remote}"],
                        seconds=seconds)

    def fetch(self, remote, local, seconds):
        return self._get(remote, local, seconds)

    def list(self, remote):
        return self._get(f"{remote}/", "-", SECONDS)


class Busybox(Client):
    """One of its commands. EPSV comes first, PASV only where that is refused."""

    verbs4 = ("EPSV",)
    verbs6 = ("EPSV",)
    lacks = {"PASV": "busybox sends PASV only where EPSV is refused",
             "PORT": "busybox has no active mode", "EPRT": "busybox has no active mode"}

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if not os.path.exists(BUSYBOX):
            raise Skipped("busybox is not in build/servers (tools/busybox)")

    def list(self, remote):
        raise NotImplementedError("busybox lists nothing")


class BusyboxWget(Busybox):
    stores = False

    def fetch(self, remote, local, seconds):
        user = ":".join(self.login)
        return self.run([BUSYBOX, "wget", "-T", "5", "-O", local,
                         f"ftp://{user}@{self.host}:{self.port}/{remote}"], seconds=seconds)


class BusyboxFtpget(Busybox):
    def _command(self, applet, *words):
        return [BUSYBOX, applet, "-v", "-u", self.login[0], "-p", self.login[1],
                "-P", str(self.port), self.address, *words]

    def fetch(self, remote, local, seconds):
        return self.run(self._command("ftpget", local, remote), seconds=seconds)

    def store(self, local, remote):
        return self.run(self._command("ftpput", remote, local))
