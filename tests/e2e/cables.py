# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the ends of veth pairs must be told before XDP works there as on a wire. Knows
neither addresses nor FTP."""
from .topology import CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK


def _set(ends, feature, on):
    for namespace, device in ends:
        namespace.run("ethtool", "-K", device, feature, "on" if on else "off")


def hosts(topology):
    """The interfaces of clients and servers."""
    return ([(namespace, CLIENT_DEVICE) for namespace in topology.clients]
            + [(namespace, SERVER_DEVICE) for namespace in topology.servers])


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
