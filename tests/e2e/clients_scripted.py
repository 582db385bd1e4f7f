# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The FTP libraries of Perl and PHP, driven by the small programs in programs/."""
import os

from .clients import SECONDS, Client

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")


class Scripted(Client):
    script = None

    def _call(self, action, *names, seconds=SECONDS):
        return self.run([self.program, os.path.join(PROGRAMS, self.script), self.address,
                         str(self.port), *self.login, self.verb, action, *names],
                        seconds=seconds)

    def fetch(self, remote, local, seconds):
        return self._call("get", remote, local, seconds=seconds)

    def store(self, local, remote):
        return self._call("put", local, remote)

    def list(self, remote):
        return self._call("list", remote)


class Perl(Scripted):
    """Net::FTP."""

    program = "perl"
    script = "transfer.pl"
    verbs4 = ("PASV", "PORT", "EPRT")
    lacks = {"EPSV": "Net::FTP sends EPSV over IPv6 only"}


class Php(Scripted):
    program = "php"
    script = "transfer.php"
    verbs4 = ("PASV", "PORT")
    lacks = {"EPSV": "PHP sends EPSV over IPv6 only", "EPRT": "PHP sends EPRT over IPv6 only"}
