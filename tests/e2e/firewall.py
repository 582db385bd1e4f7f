# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A firewall of the node's own, as its operator writes one: connections are opened to named
ports only, and what conntrack takes for no part of one is dropped. Knows nothing of FTP."""
import json
import re

ENDED = ("TIME_WAIT", "CLOSE")
COUNTERS = ("seen", "invalid", "opened", "refused")


class Firewall:
    """`seen` counts every TCP packet that netfilter gets."""

    def __init__(self, namespace, ports):
        self._namespace = namespace
        declared = "\n".join(f"counter {name} {{}}" for name in COUNTERS)
        namespace.run("nft", "-f", "-", text_in=f"""
            table inet firewall {{
                {declared}
                set strangers {{
                    type inet_service . inet_service . tcp_flag
                    flags dynamic
                }}
                chain first {{
                    type filter hook prerouting priority filter
                    meta l4proto tcp counter name seen
                    ct state invalid counter name invalid drop
                }}
                chain forward {{
                    type filter hook forward priority filter; policy drop
                    meta l4proto {{ icmp, ipv6-icmp }} accept
                    ct state established,related accept
                    ct state new tcp dport {{ {ports} }} counter name opened accept
                    counter name refused add @strangers {{ tcp sport . tcp dport . tcp flags }}
                }}
                chain input {{
                    type filter hook input priority filter; policy drop
                    meta l4proto {{ icmp, ipv6-icmp }} accept
                    ct state established,related accept
                    counter name refused add @strangers {{ tcp sport . tcp dport . tcp flags }}
                }}
            }}""")

    def close(self):
        self._namespace.run("nft", "delete", "table", "inet", "firewall")

    def describe(self):
        """The ports and the flags of what was refused."""
        listed = self._namespace.run("nft", "list", "set", "inet", "firewall", "strangers").stdout
        return [f"firewall: {line.strip()}" for line in listed.splitlines() if "elements" in line]

    def forget(self):
        """Counts from here on."""
        self._namespace.run("nft", "reset", "counters", "table", "inet", "firewall")

    def counted(self, name):
        """Packets since the last look at all of them."""
        return self.all()[name]

    def all(self):
        listed = json.loads(self._namespace.run(
            "nft", "-j", "list", "counters", "table", "inet", "firewall").stdout)
        return {entry["counter"]["name"]: entry["counter"]["packets"]
                for entry in listed["nftables"] if "counter" in entry}

    def connections(self, family):
        """What conntrack knows of each: (source, target, target port, whether it is whole): seen
        in both directions, to its end."""
        # Its last words, on standard error, would come amidst a line.
        listed = self._namespace.run(
            "sh", "-c", f"conntrack -L -p tcp -f ipv{family} 2>/dev/null").stdout
        found = []
        for line in listed.splitlines():
            match = re.match(r"tcp +6 +\d+ (\S+) src=(\S+) dst=(\S+) sport=\d+ dport=(\d+)", line)
            if match:
                state, source, target, port = match.groups()
                found.append((source, target, int(port),
                              "[ASSURED]" in line and state in ENDED))
        return found

    def invalid(self):
        """Packets that conntrack itself counts as invalid, on all CPUs."""
        return sum(map(int, re.findall(r" invalid=(\d+)", self._namespace.run(
            "conntrack", "-S").stdout)))
