# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The network with the clients inside: a router hides them behind its own
address, and the server is somewhere outside. Knows nothing of FTP but port 21.

    clients 192.168.0.130… ── inside  router  uplink ── server 198.51.100.200
      fd00:168::130…            198.51.100.1              2001:db8:c::200
                                2001:db8:c::1

The server lets in connections to port 21 and no others, so that passive mode
does not help; the router lets in none.
"""
from .topology import (BALANCER_OUTSIDE, BALANCER_OUTSIDE6, CLIENT_DEVICE, INSIDE, SERVER_DEVICE,
                       UPLINK, Port, Topology, connect, forward, no_private_routes, speak_ipv6)

ROUTER_INSIDE = "192.168.0.1"
ROUTER_INSIDE6 = "fd00:168::1"
SERVER_OUTSIDE = "198.51.100.200"
SERVER_OUTSIDE6 = "2001:db8:c::200"


def inside_address(index):
    return f"192.168.0.{130 + index}"


def inside_address6(index):
    return f"fd00:168::{130 + index}"


def _filter(namespace, rules):
    """A firewall in the input and the forward path: what the rules do not let in
    is refused, so that nobody waits for it."""
    chains = "".join(f"""
            chain {hook} {{
                type filter hook {hook} priority filter
                ct state established,related accept
                meta l4proto ipv6-icmp accept
                {rules.get(hook, "")}
                meta l4proto tcp reject with tcp reset
            }}""" for hook in ("input", "forward"))
    namespace.run("nft", "-f", "-", text_in=f"table inet firewall {{{chains}\n}}")


def clients_inside(world, clients=1):
    """Topology.balancer is the router."""
    made = Topology([world.namespace(f"client{index}") for index in range(clients)],
                    world.namespace("router"), [world.namespace("server")])
    for namespace in (*made.clients, made.balancer, made.server):
        speak_ipv6(namespace)
    forward(made.balancer)
    connect(world, [*(Port(namespace, CLIENT_DEVICE,
                           [f"{inside_address(index)}/24", f"{inside_address6(index)}/64"])
                      for index, namespace in enumerate(made.clients)),
                    Port(made.balancer, INSIDE, [f"{ROUTER_INSIDE}/24", f"{ROUTER_INSIDE6}/64"])])
    connect(world, [Port(made.server, SERVER_DEVICE,
                         [f"{SERVER_OUTSIDE}/24", f"{SERVER_OUTSIDE6}/64"]),
                    Port(made.balancer, UPLINK,
                         [f"{BALANCER_OUTSIDE}/24", f"{BALANCER_OUTSIDE6}/64"])])
    for namespace in made.clients:
        # No default route, so that nobody waits for a name server.
        namespace.run("ip", "route", "add", "198.51.100.0/24", "via", ROUTER_INSIDE)
        namespace.run("ip", "route", "add", "2001:db8:c::/64", "via", ROUTER_INSIDE6)
    no_private_routes(made.server)
    made.server.run("ip", "route", "add", "unreachable", "fd00::/8")
    for family in ("ip", "ip6"):
        made.balancer.run("nft", "-f", "-", text_in=f"""
            table {family} hiding {{
                chain out {{
                    type nat hook postrouting priority srcnat
                    oifname {UPLINK} masquerade
                }}
            }}""")
    _filter(made.balancer, {"forward": f"iifname {INSIDE} accept"})
    _filter(made.server, {"input": "tcp dport 21 accept"})
    return made
