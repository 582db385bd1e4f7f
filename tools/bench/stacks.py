# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The contenders of measures between TCP stacks: client, balancer, server of the
end-to-end tests, and what forwards FTP between them."""
from dataclasses import dataclass

from e2e.ftpfix import Ftpfix
from e2e.topology import BALANCER_OUTSIDE, INSIDE, UPLINK, VIP, balanced, server_address
from kernel_nat import nat

SERVER = server_address(0)


@dataclass(frozen=True)
class Contender:
    name: str
    kind: str
    option: str = ""

    @property
    def address(self):
        """Whom clients dial."""
        return SERVER if self is ROUTED else VIP


ROUTED = Contender("routed to the server itself, no NAT", "routed")
KERNEL = Contender("nftables DNAT + nf_nat_ftp", "kernel")
TC = Contender("ftpfix as the balancer, TC alone", "ftpfix", "off")
XDP = Contender("ftpfix as the balancer, XDP", "ftpfix", "native")
CONTENDERS = (ROUTED, KERNEL, TC, XDP)


def build(world, contender):
    """Returns the topology."""
    topology = balanced(world)
    if contender is ROUTED:
        topology.client.run("ip", "route", "add", SERVER, "via", BALANCER_OUTSIDE)
    elif contender is KERNEL:
        nat(topology.balancer, [VIP], "21", SERVER, helper=True)
    else:
        Ftpfix(world, topology.balancer, "--dev", UPLINK, "--server-dev", INSIDE,
               "--forward", "nat", "--xdp", contender.option, "--vip", VIP, "--server", SERVER)
    return topology
