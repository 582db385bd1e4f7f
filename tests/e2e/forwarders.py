# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that forward the control connection from the virtual address to a
server. Only nft_helper, which ftpfix is measured against, helps
with FTP; the scenarios use the others."""
from .servers import find_program, listening
from .topology import VIP, VIP6, server_address, server_address6

INSIDE_PREFIX = "10.0.0.0/24"
INSIDE_PREFIX6 = "fd00:10::/64"


def _servers(count):
    if count == 1:
        return server_address(0)
    chosen = ", ".join(f"{index} : {server_address(index)}" for index in range(count))
    return f"numgen inc mod {count} map {{ {chosen} }}"


def nft_dnat(topology, port=21, masquerade=False):
    """Destination NAT; with more than one server each connection goes to the next."""
    count = len(topology.servers)
    hide = f"ip daddr {INSIDE_PREFIX} tcp dport {port} masquerade" if masquerade else ""
    topology.balancer.run("nft", "-f", "-", text_in=f"""
        table ip balancing {{
            chain in {{
                type nat hook prerouting priority dstnat
                ip daddr {VIP} tcp dport {port} dnat to {_servers(count)}
            }}
            chain out {{
                type nat hook postrouting priority srcnat
                {hide}
            }}
        }}""")


def nft_dnat6(topology, port=21, masquerade=False):
    """The same over IPv6, to the first server."""
    hide = f"ip6 daddr {INSIDE_PREFIX6} tcp dport {port} masquerade" if masquerade else ""
    topology.balancer.run("nft", "-f", "-", text_in=f"""
        table ip6 balancing {{
            chain in {{
                type nat hook prerouting priority dstnat
                ip6 daddr {VIP6} tcp dport {port} dnat to {server_address6(0)}
            }}
            chain out {{
                type nat hook postrouting priority srcnat
                {hide}
            }}
        }}""")


def nft_helper(topology, port=21):
    """What the kernel itself offers: destination NAT with its FTP helper."""
    topology.balancer.run("nft", "-f", "-", text_in=f"""
        table ip balancing {{
            ct helper ftp-standard {{
                type "ftp" protocol tcp
            }}
            chain helped {{
                type filter hook prerouting priority filter
                tcp dport {port} ct helper set "ftp-standard"
            }}
            chain in {{
                type nat hook prerouting priority dstnat
                ip daddr {VIP} tcp dport {port} dnat to {server_address(0)}
            }}
            chain out {{
                type nat hook postrouting priority srcnat
            }}
        }}""")


class KernelHelper:
    """The kernel's helper in ftpfix's place: the same part of its interface."""

    def __init__(self, topology):
        self._balancer = topology.balancer
        self._balancer.run("nft", "-f", "-", text_in="""
            table inet helping {
                ct helper ftp-standard {
                    type "ftp" protocol tcp
                }
                chain helped {
                    type filter hook prerouting priority filter
                    tcp dport 21 ct helper set "ftp-standard"
                }
            }""")

    @staticmethod
    def show(_section):
        return []

    def stop(self):
        self._balancer.run("nft", "delete", "table", "inet", "helping", check=False)

    kill = stop

    @staticmethod
    def describe():
        return []


def remove_nft(topology):
    topology.balancer.run("nft", "delete", "table", "ip", "balancing")


def haproxy(world, topology, port=21, family=4):
    """A proxy: the servers see the balancer's own address as the client."""
    configuration = world.path("haproxy.cfg")
    # Its last colon is before the port, in IPv6 too.
    public = VIP if family == 4 else VIP6
    address = server_address if family == 4 else server_address6
    servers = "\n".join(f"  server s{index} {address(index)}:{port}"
                        for index in range(len(topology.servers)))
    with open(configuration, "w", encoding="ascii") as file:
        file.write(f"""\
global
  maxconn 200
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen ftp
  bind {public}:{port}
  balance roundrobin
{servers}
""")
    process = world.keep(topology.balancer.spawn(
        *find_program("haproxy", "haproxy"), "-f", configuration, "-db", name="haproxy"))
    process.wait_for(lambda: listening(topology.balancer, port), f"listening on port {port}")
    return process
