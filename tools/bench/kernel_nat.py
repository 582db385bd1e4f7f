# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel itself offers, as contenders: nftables DNAT with nf_nat_ftp, and with
its flowtable; and room for a million connections in conntrack."""
import contextlib

from e2e.guardian import guardian
from e2e.topology import INSIDE, UPLINK

HELPER = """
    ct helper ftp-standard {
        type "ftp" protocol tcp
    }
    chain helped {
        type filter hook prerouting priority filter
        tcp dport 21 ct helper set "ftp-standard"
    }"""
FLOWTABLE = f"""
    flowtable fast {{
        hook ingress priority filter
        devices = {{ {UPLINK}, {INSIDE} }}
    }}
    chain through {{
        type filter hook forward priority filter
        ip protocol tcp flow add @fast
    }}"""
# What there shall be room for, and hash buckets in the kernel's own ratio to it.
CONNECTIONS = 4 * 1024 * 1024
SETTINGS = {"/proc/sys/net/netfilter/nf_conntrack_buckets": CONNECTIONS // 4,
            "/proc/sys/net/netfilter/nf_conntrack_max": CONNECTIONS,
            "/proc/sys/net/netfilter/nf_conntrack_expect_max": CONNECTIONS // 4}


def nat(node, vips, ports, server, helper=False, flowtable=False):
    """Destination NAT of these ports of the virtual addresses, which are of one family."""
    family = "ip6" if ":" in server else "ip"
    node.run("nft", "-f", "-", text_in=f"""
        table {family} balancing {{
            {HELPER if helper else ""}
            {FLOWTABLE if flowtable else ""}
            chain in {{
                type nat hook prerouting priority dstnat
                {family} daddr {{ {", ".join(vips)} }} tcp dport {ports} dnat to {server}
            }}
            chain out {{
                type nat hook postrouting priority srcnat
            }}
        }}""")


def no_flowtable(node):
    """Why this kernel has no flowtable, or nothing. The node has both devices."""
    shown = node.run("nft", "-f", "-", check=False, text_in=f"""
        table ip trial {{
            {FLOWTABLE}
        }}
        delete table ip trial""")
    if shown.returncode == 0:
        return None
    reason = next((line for line in shown.stdout.splitlines() if "Error" in line), shown.stdout)
    return f"the kernel takes no flowtable (CONFIG_NF_FLOW_TABLE): {reason}"


def setting(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


@contextlib.contextmanager
def large_conntrack():
    """The settings are the whole machine's: they are put back, also after a crash."""
    before = {path: setting(path) for path in SETTINGS}
    for path, value in SETTINGS.items():
        if before[path] < value:
            guardian.watch("setting", f"{before[path]} {path}")
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))
    try:
        yield
    finally:
        for path, value in SETTINGS.items():
            if before[path] < value:
                guardian.remove("setting", f"{before[path]} {path}")
