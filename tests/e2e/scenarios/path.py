# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A node with a firewall. With --path stack its netfilter sees every connection whole, and
lets it pass or not; with --path direct it sees none of ftpfix's packets."""
from .. import servers
from ..balancing import balancer, network, own, real, vip
from ..cables import take_redirected, whole_checksums
from ..check import check, equal, raises
from ..clients import Curl, Lftp, Tnftp
from ..control import Control
from ..firewall import Firewall
from ..forwarders import nft_dnat, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import every_client, must_not_download, scenario, transfers
from ..topology import BALANCER_INSIDE, BALANCER_INSIDE6, UPLINK, balanced

PASSIVE = (30000, 30099)
ALLOWED = "21, 30000-30099"
# Where clients in active mode wait.
LISTENING = "32768-60999"
# Another range than the servers', and numbers longer than theirs cannot be.
PUBLIC = ("--data-ports", "21000-21999")
KINDS = (Curl, Lftp, Tnftp)


def _seen_by_server(mode, family):
    """Whom the server sees as the client."""
    if mode == "nat":
        return own(family)(0)
    return BALANCER_INSIDE if family == 4 else BALANCER_INSIDE6


def _whole(firewall, family, ends, connections):
    """netfilter saw who dialled whom, from the first packet to the last."""
    equal(firewall.counted("invalid"), 0, "packets that the firewall took for invalid")
    equal(firewall.counted("refused"), 0, "packets that the firewall refused")
    equal(firewall.invalid(), 0, "packets that conntrack took for invalid")
    known = {(source, target, whole) for source, target, port, whole
             in firewall.connections(family) if port != 21}
    equal(known, {(*ends, True)}, "data connections as conntrack has them")
    check(firewall.counted("opened") >= connections, "each was let in by its rule")


def _beside(world, mode, family):
    """nftables forwards the control connection."""
    topology = balanced(world, ipv6=family == 6)
    server = servers.vsftpd(world, topology.server, passive=PASSIVE, family=family)
    (nft_dnat if family == 4 else nft_dnat6)(topology, masquerade=mode == "fullnat")
    return topology, server


def _as_balancer(world, mode, family):
    topology = network(world, count=1, family=family)
    return topology, servers.vsftpd(world, topology.server, passive=PASSIVE, family=family)


def _stack(world, build, start, mode, family, active=False):
    topology, server = build(world, mode, family)
    # So that XDP could carry them.
    take_redirected(topology)
    whole_checksums(topology)
    firewall = world.keep(Firewall(topology.balancer,
                                   f"21, {LISTENING}" if active else ALLOWED))
    clients = every_client(world, topology.client, vip(family), server, KINDS, active)
    must_not_download(clients[0], server)
    ftpfix = start(world, topology, mode, family, "--path", "stack", *PUBLIC)
    ftpfix.mark()
    firewall.forget()
    connections = sum(transfers(client, server) for client in clients)
    ftpfix.settle(connections)
    equal(ftpfix.counted("packets forwarded_xdp"), 0, "packets that XDP carried")
    ends = own(family)(0), real(family)(0)
    _whole(firewall, family, ends[::-1] if active else ends, connections)
    equal(server.logged_clients(), {_seen_by_server(mode, family)}, "the client as the server's "
          "log has it")
    ftpfix.stop()


def _start_beside(world, topology, mode, _family, *options):
    return Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode, *options)


def _start_balancer(world, topology, mode, family, *options):
    # The node's own connections to servers are none of clients'.
    return balancer(world, topology, "--health-interval", "0", *options, mode=mode, family=family)


for _mode in ("nat", "fullnat"):
    for _family in (4, 6):
        scenario(f"path: stack, nftables in front, {_mode}, IPv{_family}, with a firewall")(
            lambda world, mode=_mode, family=_family:
            _stack(world, _beside, _start_beside, mode, family))
        scenario(f"path: stack, ftpfix balances, {_mode}, IPv{_family}, with a firewall")(
            lambda world, mode=_mode, family=_family:
            _stack(world, _as_balancer, _start_balancer, mode, family))
scenario("path: stack, ftpfix balances, fullnat, IPv4, active, with a firewall")(
    lambda world: _stack(world, _as_balancer, _start_balancer, "fullnat", 4, active=True))


@scenario("path: stack, what the node's firewall refuses does not pass")
def refused(world):
    topology, server = _as_balancer(world, "nat", 4)
    firewall = world.keep(Firewall(topology.balancer, "21"))
    ftpfix = balancer(world, topology, "--path", "stack")
    control = world.keep(Control(topology.client, vip(4)))
    control.log_in(server.login)
    endpoint = control.passive()
    raises(OSError, lambda: control.dial(endpoint, timeout=1), "dialling what is not let in")
    check(firewall.counted("refused") > 0, "the firewall refused it")
    equal(firewall.counted("invalid"), 0, "packets that the firewall took for invalid")
    ftpfix.stop()


def _direct(world, mode, family):
    topology, server = _as_balancer(world, mode, family)
    firewall = world.keep(Firewall(topology.balancer, "21"))
    clients = every_client(world, topology.client, vip(family), server, KINDS)
    ftpfix = _start_balancer(world, topology, mode, family, "--path", "direct", *PUBLIC)
    connections = sum(transfers(client, server) for client in clients)
    ftpfix.settle(connections)
    equal(firewall.all(), {"seen": 0, "invalid": 0, "opened": 0, "refused": 0},
          "TCP packets that netfilter got")
    equal(firewall.connections(family), [], "connections that conntrack knows")
    ftpfix.stop()


for _mode, _family in (("nat", 4), ("fullnat", 6)):
    scenario(f"path: direct, ftpfix balances, {_mode}, IPv{_family}, past a firewall")(
        lambda world, mode=_mode, family=_family: _direct(world, mode, family))


@scenario("path: direct, nftables in front, past a firewall that lets in control alone")
def direct_beside(world):
    topology, server = _beside(world, "nat", 4)
    firewall = world.keep(Firewall(topology.balancer, "21"))
    clients = every_client(world, topology.client, vip(4), server, KINDS)
    must_not_download(clients[0], server)
    ftpfix = _start_beside(world, topology, "nat", 4, *PUBLIC)
    ftpfix.mark()
    firewall.forget()
    ftpfix.settle(sum(transfers(client, server) for client in clients))
    for name in ("invalid", "refused"):
        equal(firewall.counted(name), 0, f"packets that the firewall counted {name}")
    equal({port for _, _, port, _ in firewall.connections(4)}, {21}, "ports that conntrack knows")
    ftpfix.stop()
