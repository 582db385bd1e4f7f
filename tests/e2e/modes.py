# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The modes of the matrix: who opens data connections, over which family, and
through what. Each is a network in which FTP fails without ftpfix. Knows neither
clients nor servers."""
import re
from dataclasses import dataclass

from .control import read_227
from .forwarders import nft_dnat, nft_dnat6
from .topology import (BALANCER_INSIDE, BALANCER_INSIDE6, BALANCER_OUTSIDE, BALANCER_OUTSIDE6,
                       UPLINK, VIP, VIP6, balanced, client_address, client_address6)
from .topology_inside import SERVER_OUTSIDE, SERVER_OUTSIDE6, clients_inside

NAT, FULLNAT, INSIDE = "NAT", "FULLNAT", "client inside"
# Below what the clients choose from, so that a port is always replaced there.
DATA_PORTS = "21000-21999"


@dataclass(frozen=True)
class Mode:
    active: bool
    place: str
    family: int

    @property
    def name(self):
        return f"{'active' if self.active else 'passive'} {self.place} IPv{self.family}"

    @property
    def verbs(self):
        """What may ask for a data connection here."""
        both = ("PORT", "EPRT") if self.active else ("PASV", "EPSV")
        return both if self.family == 4 else both[1:]

    @property
    def options(self):
        """How ftpfix is started."""
        if self.place == INSIDE:
            return ["--dev", UPLINK, "--clients", "inside", "--data-ports", DATA_PORTS]
        return ["--dev", UPLINK, "--forward", "nat" if self.place == NAT else "fullnat"]

    @property
    def target(self):
        """The address that the clients dial; data connections in active mode
        come from there, too."""
        four, six = (SERVER_OUTSIDE, SERVER_OUTSIDE6) if self.place == INSIDE else (VIP, VIP6)
        return four if self.family == 4 else six

    def peers(self, clients):
        """The other ends of the data connections, as the servers see them."""
        if self.place == NAT:
            own = client_address if self.family == 4 else client_address6
            return {own(index) for index in range(clients)}
        if self.place == FULLNAT:
            return {BALANCER_INSIDE if self.family == 4 else BALANCER_INSIDE6}
        return {BALANCER_OUTSIDE if self.family == 4 else BALANCER_OUTSIDE6}

    def build(self, world, clients):
        """The network, without ftpfix: the control connection works."""
        if self.place == INSIDE:
            return clients_inside(world, clients)
        topology = balanced(world, clients, ipv6=self.family == 6)
        start = nft_dnat if self.family == 4 else nft_dnat6
        start(topology, masquerade=self.place == FULLNAT)
        return topology


MODES = (
    Mode(False, NAT, 4),
    Mode(False, FULLNAT, 4),
    Mode(False, NAT, 6),
    Mode(False, FULLNAT, 6),
    Mode(True, NAT, 4),
    Mode(True, FULLNAT, 4),
    Mode(True, FULLNAT, 6),
    Mode(True, INSIDE, 4),
    Mode(True, INSIDE, 6),
)


def is_announcement(line):
    """pure-ftpd's last words after an unused 227 are "227 Logout."."""
    return line.upper().startswith(("PORT ", "EPRT ", "227 ", "229 ")) and (
        "," in line or "|" in line)


def announced_port(line):
    """The port that a PORT, EPRT, 227 or 229 names."""
    if line.upper().startswith(("PORT ", "227 ")):
        return read_227(line[4:]).port
    return int(re.search(r"(\d+)\|[^|]*$", line).group(1))
