# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The node with its two wires, for one mode: addresses, neighbours, rules, and
the helper under test. The ends of the wires have no addresses: packets from
there are the oracle's alone."""
from e2e.ftpfix import Ftpfix
from e2e.topology import INSIDE, UPLINK, Port, connect

from .modes import CLIENTS, FAMILIES
from .wire import Wire

END = "end"
# A connection that was reset is forgotten at once: there are many.
TIMEOUTS = {"close": 1, "time_wait": 1, "fin_wait": 5, "close_wait": 5, "last_ack": 1,
            "syn_sent": 5, "syn_recv": 5}


def _mac(number):
    return f"02:00:5e:00:53:{number:02x}"


def _mac_bytes(number):
    return bytes.fromhex(_mac(number).replace(":", ""))


class Lab:
    def __init__(self, world, mode, helper):
        self.mode, self.helper = mode, helper
        self.node = world.namespace("node")
        outside, inside = world.namespace("outside"), world.namespace("inside")
        # The node alone speaks IPv6 by itself.
        for path, value in (("all/disable_ipv6", 0), ("default/disable_ipv6", 0),
                            ("default/accept_dad", 0), ("all/forwarding", 1),
                            ("default/accept_ra", 0)):
            self.node.sysctl(f"net/ipv6/conf/{path}", value)
        self.node.sysctl("net/ipv4/ip_forward", 1)
        self.node.sysctl("net/ipv4/conf/all/send_redirects", 0)
        self.node.sysctl("net/ipv4/conf/default/send_redirects", 0)
        connect(world, [Port(outside, END, []), Port(self.node, UPLINK, [])])
        connect(world, [Port(inside, END, []), Port(self.node, INSIDE, [])])
        self._configure(outside, inside)
        self._rules()
        for state, seconds in TIMEOUTS.items():
            self.node.sysctl(f"net/netfilter/nf_conntrack_tcp_timeout_{state}", seconds)
        self.wire = Wire({"outside": (outside, END, (_mac_bytes(1), _mac_bytes(2))),
                          "inside": (inside, END, (_mac_bytes(3), _mac_bytes(4)))})
        world.keep(self.wire)
        self.ftpfix = None
        if helper == "ftpfix":
            self.ftpfix = Ftpfix(world, self.node, "--dev", UPLINK, *mode.options)

    def _configure(self, outside, inside):
        outside.run("ip", "link", "set", END, "address", _mac(1))
        inside.run("ip", "link", "set", END, "address", _mac(3))
        batch = [f"link set {UPLINK} address {_mac(2)}", f"link set {INSIDE} address {_mac(4)}"]
        for family in FAMILIES.values():
            bits = family.bits
            for address, device in ((f"{family.uplink}/{bits}", UPLINK),
                                    (f"{family.inside}/{bits}", INSIDE),
                                    (f"{family.inside_gateway}/{bits}", INSIDE),
                                    (f"{family.vip}/{family.host_bits}", "lo")):
                batch.append(f"address add {address} dev {device}")
            neighbours = [(family.server, INSIDE, 3), (family.outside_server, UPLINK, 1)]
            neighbours += [(family.outside_client % (family.first_client[0] + number), UPLINK, 1)
                           for number in range(CLIENTS)]
            neighbours += [(family.inside_client % (family.first_client[1] + number), INSIDE, 3)
                           for number in range(CLIENTS)]
            batch += [f"neigh replace {address} lladdr {_mac(mac)} dev {device} nud permanent"
                      for address, device, mac in neighbours]
        self.node.run("ip", "-batch", "-", text_in="\n".join(batch) + "\n")
        # What leaves the node is whole, as the oracle checks it.
        for device in (UPLINK, INSIDE):
            self.node.run("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off")

    def _rules(self):
        self.node.run("nft", "-f", "-", text_in="\n".join(
            self._family_rules(family) for family in FAMILIES.values()))

    def _family_rules(self, family):
        ip = "ip" if family.version == 4 else "ip6"
        forward = hide = helped = helper = ""
        if self.mode.inside_clients:
            hide = f"{ip} saddr {family.client_net} oifname {UPLINK} masquerade"
        else:
            forward = f"{ip} daddr {family.vip} tcp dport 21 dnat to {family.server}"
            if self.mode.masquerade:
                hide = f"{ip} daddr {family.inside_net} tcp dport 21 masquerade"
        if self.helper == "kernel":
            helper = 'ct helper ftp-standard { type "ftp" protocol tcp; }'
            helped = 'tcp dport 21 ct helper set "ftp-standard"'
        return f"""
            table {ip} balancing {{
                {helper}
                chain helped {{
                    type filter hook prerouting priority filter
                    {helped}
                }}
                chain in {{
                    type nat hook prerouting priority dstnat
                    {forward}
                }}
                chain out {{
                    type nat hook postrouting priority srcnat
                    {hide}
                }}
                chain local {{
                    type filter hook input priority filter
                    meta l4proto tcp drop
                }}
                chain through {{
                    type filter hook forward priority filter
                    ct state invalid drop
                }}
            }}"""

    def describe(self):
        return self.ftpfix.describe() if self.ftpfix else []
