# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Networks in which ftpfix itself is the balancer, and nothing else forwards: how it is
started, and which server a client comes to."""
from . import servers
from .check import check
from .control import Endpoint, dial
from .fake_server import FakeServer
from .ftpfix import Ftpfix
from .topology import (UPLINK, VIP, VIP6, balanced, client_address, client_address6,
                       server_address, server_address6)

# Where the further addresses of a client begin, in the last number.
FURTHER = 50


def vip(family):
    return VIP if family == 4 else VIP6


def real(family):
    """The servers' addresses, by index."""
    return server_address if family == 4 else server_address6


def own(family):
    """The clients' addresses, by index."""
    return client_address if family == 4 else client_address6


def network(world, clients=1, count=2, family=4, forwarding=True, **options):
    """No program forwards here, and no address of the node is virtual."""
    topology = balanced(world, clients, count, ipv6=family == 6, **options)
    for kind in ("-4", "-6"):
        topology.balancer.run("ip", kind, "address", "flush", "dev", "lo", "scope", "global")
    if not forwarding:
        topology.balancer.sysctl("net/ipv4/ip_forward", 0)
        topology.balancer.sysctl("net/ipv6/conf/all/forwarding", 0)
    return topology


def server_options(*addresses):
    return [word for address in addresses for word in ("--server", address)]


def balancer(world, topology, *options, mode="nat", family=4, addresses=None, vips=None):
    """ftpfix with all servers of the network, unless `addresses` names others."""
    if addresses is None:
        addresses = [real(family)(index) for index in range(len(topology.servers))]
    virtual = [word for one in vips or [vip(family)] for word in ("--vip", one)]
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, *virtual,
                    *server_options(*addresses), "--forward", mode, *options)
    ftpfix.mark()
    return ftpfix


def mostly_by_xdp(ftpfix):
    """What hosts send with whole checksums, and whose peers take what is redirected."""
    counters = {name: ftpfix.counted(f"packets {name}") for name in ("forwarded_xdp", "forwarded")}
    check(counters["forwarded_xdp"] > counters["forwarded"], f"XDP carried the most: {counters}")


def by_role(world, topology, start=servers.vsftpd, **options):
    """Servers that greet with their role, by it."""
    return {namespace.role: start(world, namespace, **options) for namespace in topology.servers}


def greeters(world, topology, family=4, port=21):
    """Servers that do no more than greet with their role."""
    for index, namespace in enumerate(topology.servers):
        FakeServer(world, namespace, real(family)(index),
                   {"": [f"220 {namespace.role}\r\n".encode("ascii")]}, port)


def add_addresses(namespace, count, family=4):
    """Gives a client further addresses; returns them."""
    form, length = ("198.51.100.{}", 24) if family == 4 else ("2001:db8:c::{}", 64)
    made = [form.format(FURTHER + index) for index in range(count)]
    nodad = " nodad" if family == 6 else ""
    namespace.run("ip", "-batch", "-", text_in="".join(
        f"address add {address}/{length} dev eth0{nodad}\n" for address in made))
    return made


def greeting(namespace, address, source=None, port=21):
    """The role of the server that a client, or one of its addresses, comes to."""
    with dial(namespace, Endpoint(address, port), timeout=1,
              source=Endpoint(source, 0) if source else None) as opened:
        return opened.recv(200).decode("ascii").split()[1].strip("()")


def destinations(namespace, address, sources, port=21):
    """For each of a client's addresses the role of the server that it comes to."""
    return {source: greeting(namespace, address, source, port) for source in sources}
