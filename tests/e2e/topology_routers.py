# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client and a server, each behind a router of its own, with the balancer between.
Knows nothing of FTP.

    client ── outer ── uplink balancer inside ── inner ── server
    198.51.100.10    192.0.2.0/24           10.0.0.0/24    10.8.0.175
    2001:db8:c::10   2001:db8:2::/64        fd00:10::/64   fd00:8::175
"""
from dataclasses import dataclass, field

from .namespace import Namespace
from .topology import (CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK, VIP, VIP6, Port, connect,
                       forward, speak_ipv6)

CLIENT = {4: "198.51.100.10", 6: "2001:db8:c::10"}
SERVER = {4: "10.8.0.175", 6: "fd00:8::175"}
NODE = {4: "10.0.0.1", 6: "fd00:10::1"}
OUTER = {4: "192.0.2.2", 6: "2001:db8:2::2"}
INNER = {4: "10.0.0.2", 6: "fd00:10::2"}

_NETWORKS = {
    4: {"length": 24, "client": "198.51.100.0/24", "server": "10.8.0.0/24",
        "client gateway": "198.51.100.1", "server gateway": "10.8.0.1", "node": "192.0.2.1"},
    6: {"length": 64, "client": "2001:db8:c::/64", "server": "fd00:8::/64",
        "client gateway": "2001:db8:c::1", "server gateway": "fd00:8::1",
        "node": "2001:db8:2::1"},
}


@dataclass
class Routed:
    client: Namespace
    outer: Namespace
    balancer: Namespace
    inner: Namespace
    server: Namespace
    # As Topology's.
    facing: list = field(default_factory=list)

    @property
    def clients(self):
        return [self.client]

    @property
    def servers(self):
        return [self.server]


def _routes(made, kind, mtu):
    """Every way that packets take. `mtu` says of a way how much it takes: to the client from
    "outer", to the server from "inner", out of the "node" at all."""
    net = _NETWORKS[kind]

    def route(namespace, target, gateway):
        namespace.run("ip", f"-{kind}", "route", "replace", target, "via", gateway)
    route(made.client, "default", net["client gateway"])
    route(made.server, "default", net["server gateway"])
    route(made.outer, VIP if kind == 4 else VIP6, net["node"])
    route(made.balancer, net["client"], OUTER[kind])
    route(made.balancer, net["server"], INNER[kind])
    route(made.inner, "default", NODE[kind])
    if "node" in mtu:
        made.balancer.run("ip", "link", "set", INSIDE, "mtu", str(mtu["node"]))
    for router, target, device, way in (
            (made.outer, CLIENT[kind], "near", "outer"), (made.inner, SERVER[kind], "far", "inner")):
        if way in mtu:
            router.run("ip", f"-{kind}", "route", "add", target, "dev", device,
                       "mtu", str(mtu[way]))


def routed(world, family=4, mtu=()):
    """`mtu` as in _routes()."""
    made = Routed(*(world.namespace(role) for role in
                    ("client", "outer", "balancer", "inner", "server")))
    if family == 6:
        for namespace in (made.client, made.outer, made.balancer, made.inner, made.server):
            speak_ipv6(namespace)
    for namespace in (made.outer, made.balancer, made.inner):
        forward(namespace)
    net = _NETWORKS[family]

    def port(namespace, device, address):
        return Port(namespace, device, [f"{address}/{net['length']}"])
    connect(world, [port(made.client, CLIENT_DEVICE, CLIENT[family]),
                    port(made.outer, "near", net["client gateway"])])
    made.facing = [connect(world, [port(made.outer, "far", OUTER[family]),
                                   port(made.balancer, UPLINK, net["node"])]),
                   connect(world, [port(made.inner, "near", INNER[family]),
                                   port(made.balancer, INSIDE, NODE[family])])]
    connect(world, [port(made.server, SERVER_DEVICE, SERVER[family]),
                    port(made.inner, "far", net["server gateway"])])
    _routes(made, family, dict(mtu))
    return made
