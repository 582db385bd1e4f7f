# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The networks of the scenarios: who is connected to whom, with which address.
Knows nothing of FTP.

    clients 198.51.100.10… ── uplink  balancer  inside ── servers 10.0.0.175…
      2001:db8:c::10…                VIP 203.0.113.5        fd00:10::175…
                                     2001:db8:5::5

IPv6 is there only where it is asked for. topology_inside.py has the network
with the clients inside.
"""
from dataclasses import dataclass, field

from .check import Skipped
from .namespace import Namespace

VIP = "203.0.113.5"
SPARE_VIP = "203.0.113.6"
BALANCER_OUTSIDE = "198.51.100.1"
BALANCER_INSIDE = "10.0.0.1"

VIP6 = "2001:db8:5::5"
SPARE_VIP6 = "2001:db8:5::6"
BALANCER_OUTSIDE6 = "2001:db8:c::1"
BALANCER_INSIDE6 = "fd00:10::1"

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


def client_address6(index):
    return f"2001:db8:c::{10 + index}"


def server_address6(index):
    return f"fd00:10::{175 + index}"


@dataclass
class Port:
    """One end of a network segment; with a VLAN id its device is one above the cable's."""
    namespace: Namespace
    device: str
    addresses: list
    vlan: int = 0

    @property
    def cable(self):
        return f"{self.device}-cable" if self.vlan else self.device

    def tag(self):
        """Makes the device above the cable's."""
        made = self.namespace.run("ip", "link", "add", self.device, "link", self.cable, "type",
                                  "vlan", "id", str(self.vlan), check=False)
        if made.returncode != 0:
            raise Skipped(f"this kernel has no VLAN devices: {made.stdout.strip()}")
        self.namespace.run("ip", "link", "set", self.cable, "up")


@dataclass
class Topology:
    clients: list
    balancer: Namespace
    servers: list
    # The ends of the balancer's cables that are not its own: (namespace, device).
    facing: list = field(default_factory=list)

    @property
    def client(self):
        return self.clients[0]

    @property
    def server(self):
        return self.servers[0]


def connect(world, ports):
    """Joins ports: two by a veth pair, more by a bridge in its own namespace. Returns
    the other end of the last port's cable: (namespace, device)."""
    if len(ports) == 2:
        one, other = ports
        one.namespace.run("ip", "link", "add", one.cable, "type", "veth",
                          "peer", "name", other.cable, "netns", other.namespace.name)
        facing = (one.namespace, one.cable)
    else:
        switch = world.namespace("switch")
        switch.run("ip", "link", "add", "bridge", "type", "bridge")
        switch.run("ip", "link", "set", "bridge", "up")
        for index, port in enumerate(ports):
            switch.run("ip", "link", "add", f"port{index}", "type", "veth",
                       "peer", "name", port.cable, "netns", port.namespace.name)
            switch.run("ip", "link", "set", f"port{index}", "master", "bridge", "up")
            facing = (switch, f"port{index}")
    for port in ports:
        if port.vlan:
            port.tag()
        for address in port.addresses:
            port.namespace.run("ip", "address", "add", address, "dev", port.device,
                               *(["nodad"] if ":" in address else []))
        port.namespace.run("ip", "link", "set", port.device, "up")
    return facing


def speak_ipv6(namespace):
    """Before the devices are made, which inherit it."""
    for scope in ("all", "default"):
        namespace.sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 0)
        # What the addresses are is known here: nobody waits for them.
        namespace.sysctl(f"net/ipv6/conf/{scope}/accept_dad", 0)


def forward(namespace):
    namespace.sysctl("net/ipv4/ip_forward", 1)
    namespace.sysctl("net/ipv6/conf/all/forwarding", 1)
    # One-arm nodes would else tell a client to go around them.
    namespace.sysctl("net/ipv4/conf/all/send_redirects", 0)
    namespace.sysctl("net/ipv4/conf/default/send_redirects", 0)


def balanced(world, clients=1, servers=1, one_arm=False, ipv6=False, vlans=(0, 0)):
    """Clients and servers with a balancer between, on two interfaces or on one. Outside and
    inside each is a VLAN where its id is given."""
    made = Topology([world.namespace(f"client{index}") for index in range(clients)],
                    world.namespace("balancer"),
                    [world.namespace(f"server{index}") for index in range(servers)])
    if ipv6:
        for namespace in (*made.clients, made.balancer, *made.servers):
            speak_ipv6(namespace)
    forward(made.balancer)

    def addresses(four, six):
        return [f"{four}/24"] + ([f"{six}/64"] if ipv6 else [])
    outside = [Port(namespace, CLIENT_DEVICE,
                    addresses(client_address(index), client_address6(index)), vlans[0])
               for index, namespace in enumerate(made.clients)]
    inside = [Port(namespace, SERVER_DEVICE,
                   addresses(server_address(index), server_address6(index)), vlans[1])
              for index, namespace in enumerate(made.servers)]
    outer = addresses(BALANCER_OUTSIDE, BALANCER_OUTSIDE6)
    inner = addresses(BALANCER_INSIDE, BALANCER_INSIDE6)
    if one_arm:
        made.facing = [
            connect(world, outside + inside + [Port(made.balancer, UPLINK, outer + inner)])]
    else:
        made.facing = [connect(world, outside + [Port(made.balancer, UPLINK, outer, vlans[0])]),
                       connect(world, inside + [Port(made.balancer, INSIDE, inner, vlans[1])])]
    for address in (VIP, SPARE_VIP):
        made.balancer.run("ip", "address", "add", f"{address}/32", "dev", "lo")
    for namespace in made.clients:
        public_routes(namespace, "203.0.113.0/24")
    for namespace in made.servers:
        namespace.run("ip", "route", "add", "default", "via", BALANCER_INSIDE)
    if ipv6:
        for address in (VIP6, SPARE_VIP6):
            made.balancer.run("ip", "address", "add", f"{address}/128", "dev", "lo")
        for namespace in made.clients:
            namespace.run("ip", "route", "add", "2001:db8:5::/64", "via", BALANCER_OUTSIDE6)
            namespace.run("ip", "route", "add", "unreachable", "fd00::/8")
        for namespace in made.servers:
            namespace.run("ip", "-6", "route", "add", "default", "via", BALANCER_INSIDE6)
    return made


def public_routes(namespace, prefix):
    """The client's routes: the public prefix, and nothing private."""
    namespace.run("ip", "route", "add", prefix, "via", BALANCER_OUTSIDE)
    no_private_routes(namespace)


def no_private_routes(namespace):
    for private in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"):
        namespace.run("ip", "route", "add", "unreachable", private)


def mapped(world):
    """A server whose gateway maps a public address to it, one to one."""
    made = Topology([world.namespace("client")], world.namespace("gateway"),
                    [world.namespace("server")])
    forward(made.balancer)
    connect(world, [Port(made.client, CLIENT_DEVICE, [f"{client_address(0)}/24"]),
                    Port(made.balancer, UPLINK, [f"{BALANCER_OUTSIDE}/24"])])
    connect(world, [Port(made.server, SERVER_DEVICE, [f"{EIP_SERVER}/24"]),
                    Port(made.balancer, INSIDE, ["172.17.9.1/24"])])
    public_routes(made.client, f"{EIP}/32")
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
