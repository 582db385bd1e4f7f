# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The networks of the scenarios: who is connected to whom, with which address.
Knows nothing of FTP.

    clients 198.51.100.10… ── uplink  balancer  inside ── servers 10.0.0.175…
                                     VIP 203.0.113.5
"""
from dataclasses import dataclass

from .namespace import Namespace

VIP = "203.0.113.5"
SPARE_VIP = "203.0.113.6"
BALANCER_OUTSIDE = "198.51.100.1"
BALANCER_INSIDE = "10.0.0.1"

EIP = "123.56.241.199"
EIP_SERVER = "172.17.9.135"

CLIENT_DEVICE = "eth0"
SERVER_DEVICE = "eth0"
UPLINK = "uplink"
INSIDE = "inside"


def client_address(index):
    return f"198.51.100.{10 + index}"


def server_address(index):
    return f"10.0.0.{175 + index}"


@dataclass
class Port:
    """One end of a network segment."""
    namespace: Namespace
    device: str
    addresses: list


@dataclass
class Topology:
    clients: list
    balancer: Namespace
    servers: list

    @property
    def client(self):
        return self.clients[0]

    @property
    def server(self):
        return self.servers[0]


def connect(world, ports):
    """Joins ports: two by a veth pair, more by a bridge in its own namespace."""
    if len(ports) == 2:
        one, other = ports
        one.namespace.run("ip", "link", "add", one.device, "type", "veth",
                          "peer", "name", other.device, "netns", other.namespace.name)
    else:
        switch = world.namespace("switch")
        switch.run("ip", "link", "add", "bridge", "type", "bridge")
        switch.run("ip", "link", "set", "bridge", "up")
        for index, port in enumerate(ports):
            switch.run("ip", "link", "add", f"port{index}", "type", "veth",
                       "peer", "name", port.device, "netns", port.namespace.name)
            switch.run("ip", "link", "set", f"port{index}", "master", "bridge", "up")
    for port in ports:
        for address in port.addresses:
            port.namespace.run("ip", "address", "add", address, "dev", port.device)
        port.namespace.run("ip", "link", "set", port.device, "up")


def _forwarding(namespace):
    namespace.sysctl("net/ipv4/ip_forward", 1)
    # One-arm nodes would else tell a client to go around them.
    namespace.sysctl("net/ipv4/conf/all/send_redirects", 0)
    namespace.sysctl("net/ipv4/conf/default/send_redirects", 0)


def balanced(world, clients=1, servers=1, one_arm=False):
    """Clients and servers with a balancer between, on two interfaces or on one."""
    made = Topology([world.namespace(f"client{index}") for index in range(clients)],
                    world.namespace("balancer"),
                    [world.namespace(f"server{index}") for index in range(servers)])
    _forwarding(made.balancer)
    outside = [Port(namespace, CLIENT_DEVICE, [f"{client_address(index)}/24"])
               for index, namespace in enumerate(made.clients)]
    inside = [Port(namespace, SERVER_DEVICE, [f"{server_address(index)}/24"])
              for index, namespace in enumerate(made.servers)]
    outer, inner = [f"{BALANCER_OUTSIDE}/24"], [f"{BALANCER_INSIDE}/24"]
    if one_arm:
        connect(world, outside + inside + [Port(made.balancer, UPLINK, outer + inner)])
    else:
        connect(world, outside + [Port(made.balancer, UPLINK, outer)])
        connect(world, inside + [Port(made.balancer, INSIDE, inner)])
    for address in (VIP, SPARE_VIP):
        made.balancer.run("ip", "address", "add", f"{address}/32", "dev", "lo")
    for namespace in made.clients:
        _public_routes(namespace, "203.0.113.0/24")
    for namespace in made.servers:
        namespace.run("ip", "route", "add", "default", "via", BALANCER_INSIDE)
    return made


def _public_routes(namespace, prefix):
    """The client's routes: the public prefix, and nothing private."""
    namespace.run("ip", "route", "add", prefix, "via", BALANCER_OUTSIDE)
    for private in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"):
        namespace.run("ip", "route", "add", "unreachable", private)


def mapped(world):
    """A server whose gateway maps a public address to it, one to one."""
    made = Topology([world.namespace("client")], world.namespace("gateway"),
                    [world.namespace("server")])
    _forwarding(made.balancer)
    connect(world, [Port(made.client, CLIENT_DEVICE, [f"{client_address(0)}/24"]),
                    Port(made.balancer, UPLINK, [f"{BALANCER_OUTSIDE}/24"])])
    connect(world, [Port(made.server, SERVER_DEVICE, [f"{EIP_SERVER}/24"]),
                    Port(made.balancer, INSIDE, ["172.17.9.1/24"])])
    _public_routes(made.client, f"{EIP}/32")
    made.server.run("ip", "route", "add", "default", "via", "172.17.9.1")
    made.balancer.run("nft", "-f", "-", text_in=f"""
        table ip mapping {{
            chain in {{
                type nat hook prerouting priority dstnat
                ip daddr {EIP} dnat to {EIP_SERVER}
            }}
            chain out {{
                type nat hook postrouting priority srcnat
                ip saddr {EIP_SERVER} oifname {UPLINK} snat to {EIP}
            }}
        }}""")
    return made
