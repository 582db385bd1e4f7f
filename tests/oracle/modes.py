# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The table of situations: which end announces what, through which rules, and
what the other end must be told. Knows no packets."""
from dataclasses import dataclass

from .reference import Announcement, Text, Told

# Ports of announcements: one that the range keeps, one with fewer digits than any
# port in the range, one with more.
DATA_PORTS = (20000, 29999)
KEPT, SHORT, LONG = "kept port", "short port", "long port"
FIRST_PORT = {KEPT: 25100, SHORT: 2049, LONG: 51300}
PORTS = 150

CLIENTS = 200       # addresses that clients have, one after the other

FORMS_227 = {
    "vsftpd": b"227 Entering Passive Mode (%s).\r\n",
    "pure-ftpd": b"227 Entering Passive Mode (%s)\r\n",
    "busybox": b"227 PASV ok (%s)\r\n",
    "aioftp": b"227-listen socket created\r\n227 (%s)\r\n",
    "sys-ftpd": b"227 %s\r\n",
}
FORMS_229 = {
    "vsftpd": b"229 Entering Extended Passive Mode (|||%d|)\r\n",
    "pyftpdlib": b"229 Entering extended passive mode (|||%d|).\r\n",
    "busybox": b"229 EPSV ok (|||%d|)\r\n",
}


@dataclass(frozen=True)
class Family:
    """The addresses of one address family."""
    version: int
    uplink: str = "198.51.100.1"        # the node's, outside
    inside: str = "10.0.0.1"            # the node's, inside
    vip: str = "203.0.113.5"
    server: str = "10.0.0.175"
    inside_gateway: str = "192.168.0.1"
    outside_server: str = "198.51.100.250"
    outside_client: str = "198.51.100.%d"
    inside_client: str = "192.168.0.%d"
    first_client: tuple = (10, 30)      # the number of the first, outside and inside
    bits: int = 24
    host_bits: int = 32
    inside_net: str = "10.0.0.0/24"
    client_net: str = "192.168.0.0/24"


FAMILIES = {
    4: Family(4),
    6: Family(6, "2001:db8:51::1", "2001:db8:10::1", "2001:db8:113::5", "2001:db8:10::175",
              "2001:db8:192::1", "2001:db8:51::250", "2001:db8:51::%d", "2001:db8:192::%d",
              (10, 30), 64, 128, "2001:db8:10::/64", "2001:db8:192::/64"),
}


@dataclass(frozen=True)
class Mode:
    name: str
    syntaxes: tuple         # (syntax, form) for IPv4; IPv6 leaves out 227 and PORT
    told: str | None        # which address of the family the receiver is told
    options: tuple          # of ftpfix
    masquerade: bool = False
    inside_clients: bool = False
    brief: bool = False     # one line of each syntax is enough

    @property
    def active(self):
        return self.syntaxes[0][0] in ("PORT", "EPRT")

    def forms(self, family):
        return [(syntax, form) for syntax, form in self.syntaxes
                if family.version == 4 or syntax in ("229", "EPRT")]

    def addresses(self, family, number):
        """Of a client, of what it dials, and of the server."""
        if self.inside_clients:
            # The first one is in the middle: .130.
            client = family.inside_client % (
                family.first_client[1] + (number + CLIENTS // 2) % CLIENTS)
            return client, family.outside_server, family.outside_server
        client = family.outside_client % (family.first_client[0] + number % CLIENTS)
        return client, family.vip, family.server

    def seen_client(self, family, client):
        """The address of a client as its server sees it."""
        if self.inside_clients:
            return family.uplink
        return family.inside if self.masquerade else client

    def to_tell(self, family, helper, client):
        """What the receiver must be told. The kernel's helper knows no range, writes
        IPv6 at full length, and may replace the port where nothing has to be replaced."""
        if helper == "kernel":
            return Told(getattr(family, self.told) if self.told else client, full=True)
        if self.told is None:
            return Told(None)
        return Told(getattr(family, self.told), *DATA_PORTS)

    def secret(self, family, client):
        """Inside addresses that may not be seen outside."""
        if self.inside_clients:
            return [client]
        return [family.inside] if self.active else [family.server, family.inside]


PASSIVE = tuple([("227", form) for form in FORMS_227] + [("229", form) for form in FORMS_229])
ACTIVE = (("PORT", "upper"), ("PORT", "lower"), ("EPRT", "upper"))
_RANGE = ("--data-ports", f"{DATA_PORTS[0]}-{DATA_PORTS[1]}")

MODES = (
    Mode("passive", PASSIVE, "vip", ("--forward", "nat", *_RANGE)),
    Mode("fullnat-passive", PASSIVE, "vip", ("--forward", "fullnat", *_RANGE), True,
         brief=True),
    Mode("fullnat-active", ACTIVE, "inside", ("--forward", "fullnat", *_RANGE), True),
    Mode("nat-active", ACTIVE, None, ("--forward", "nat", *_RANGE)),
    Mode("client-inside", ACTIVE, "uplink",
         ("--forward", "nat", "--clients", "inside", *_RANGE), True, True),
)


def announce(syntax, form, address, port):
    """The announcing text, as an end sends it."""
    if syntax == "229":
        line = FORMS_229[form] % port
    elif syntax == "EPRT":
        line = b"EPRT |%d|%s|%d|\r\n" % (2 if ":" in address else 1, address.encode(), port)
    else:
        numbers = b"%s,%d,%d" % (address.replace(".", ",").encode(), port >> 8, port & 255)
        if syntax == "227":
            line = FORMS_227[form] % numbers
        else:
            line = (b"port %s\r\n" if form == "lower" else b"PORT %s\r\n") % numbers
    return Text(line, Announcement(syntax, address, port))


def question(syntax):
    """The command that a passive announcement answers."""
    return Text(b"PASV\r\n" if syntax == "227" else b"EPSV\r\n")
