# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the ends of veth pairs must be told before XDP works there as on a wire. Knows
neither addresses nor FTP."""
import json
import select
import socket
import struct
import subprocess
import threading

from .check import Skipped
from .topology import CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10
# Of the highest priority, in no VLAN.
PRIORITY_TAG = struct.pack("!HH", 0x8100, 7 << 13)


def _set(ends, feature, on):
    for namespace, device in ends:
        namespace.run("ethtool", "-K", device, feature, "on" if on else "off")


def hosts(topology):
    """The interfaces of clients and servers."""
    return ([(namespace, CLIENT_DEVICE) for namespace in topology.clients]
            + [(namespace, SERVER_DEVICE) for namespace in topology.servers])


def kernel_tells():
    """Whether the kernel says which devices take frames from XDP: ftpfix sends none to a veth
    of which it does not know."""
    return subprocess.run(["genl", "ctrl", "get", "name", "netdev"],
                          capture_output=True).returncode == 0


def need_redirected():
    """For scenarios in which XDP sends to veths."""
    if not kernel_tells():
        raise Skipped("this kernel does not tell whether a veth takes frames from XDP, "
                      "as Linux 6.3 does")


def take_redirected(topology, on=True):
    """veth drops frames that XDP redirects to it unless the other end polls, as it does
    with GRO on."""
    _set(topology.facing, "gro", on)


def whole_checksums(topology, on=True):
    """Otherwise a host leaves the checksum to its device, which veth leaves undone."""
    _set(hosts(topology), "tx", not on)


def whole_tags(topology):
    """Otherwise veth has VLAN tags beside the frames, where XDP does not see them."""
    own = [(topology.balancer, device) for device in (UPLINK, INSIDE)]
    for feature in ("txvlan", "rxvlan"):
        _set([(namespace, f"{device}-cable") for namespace, device in (*hosts(topology), *own)],
             feature, False)


def jumbo(topology):
    """Frames of several pages, on a network of two arms."""
    own = [(topology.balancer, device) for device in (UPLINK, INSIDE)]
    for namespace, device in (*hosts(topology), *own):
        namespace.run("ip", "link", "set", device, "mtu", "9000")


def new_mac(namespace, device, mac):
    """Another one from now on, which the interface tells its neighbours."""
    for family, notify in (("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")):
        namespace.sysctl(f"net/{family}/conf/{device}/{notify}", 1)
    namespace.run("ip", "link", "set", device, "address", mac)


def new_mac_silently(namespace, device, mac, neighbour):
    """Another one, which nobody is told: the host answers who asks for it, and asks nobody."""
    found, = json.loads(namespace.run("ip", "-j", "neigh", "show", neighbour).stdout)
    namespace.run("nft", "-f", "-", text_in="""
        table arp silent {
            chain out {
                type filter hook output priority 0
                arp operation request drop
            }
        }""")
    namespace.run("ip", "-batch", "-", text_in=f"""
        link set {device} address {mac}
        neigh replace {neighbour} lladdr {found["lladdr"]} dev {device} nud permanent""")


def tagged_frames(namespace, device):
    """Counts the frames with a tag that come to a device, from now on."""
    listener = namespace.call(lambda: open_raw(device))
    listener.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    listener.setblocking(False)

    def count():
        found = 0
        while True:
            try:
                _, beside, _, _ = listener.recvmsg(0, 64)
            except BlockingIOError:
                return found
            found += any(struct.unpack_from("I", data)[0] & TP_STATUS_VLAN_VALID
                         for level, kind, data in beside
                         if (level, kind) == (SOL_PACKET, PACKET_AUXDATA))
    return count


def open_raw(device):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.bind((device, ETH_P_ALL))
    return opened


class PriorityTags:
    """A switch on a client's cable, which says of each frame for the other end how urgent it is,
    as some do. Its checksums must be whole, and its segments no longer than a frame."""

    def __init__(self, world, client):
        switch = world.namespace("switch")
        address = client.run("ip", "-o", "-4", "address", "show", "dev", CLIENT_DEVICE).stdout
        routes = client.run("ip", "route", "show").stdout.splitlines()
        client.run("ip", "link", "set", CLIENT_DEVICE, "netns", switch.name)
        switch.run("ip", "link", "set", CLIENT_DEVICE, "name", "far")
        switch.run("ip", "link", "add", "near", "type", "veth", "peer", "name", CLIENT_DEVICE,
                   "netns", client.name)
        for device in ("near", "far"):
            switch.run("ip", "link", "set", device, "promisc", "on", "up")
        client.run("ethtool", "-K", CLIENT_DEVICE, "tx", "off")
        client.run("ip", "address", "add", address.split()[3], "dev", CLIENT_DEVICE)
        client.run("ip", "link", "set", CLIENT_DEVICE, "up")
        for route in routes:
            client.run("ip", "route", "replace", *route.split())
        self._done = threading.Event()
        self._finish = switch.start(self._forward)
        world.keep(self)

    def _forward(self):
        with open_raw("near") as near, open_raw("far") as far:
            ways = {near: (far, PRIORITY_TAG), far: (near, b"")}
            while not self._done.is_set():
                for one in select.select([near, far], [], [], 0.1)[0]:
                    frame, sender = one.recvfrom(1 << 17)
                    other, tag = ways[one]
                    if sender[2] != PACKET_OUTGOING:
                        other.send(frame[:12] + tag + frame[12:])

    def close(self):
        self._done.set()
        self._finish()
