# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""XDP carries what TC has opened: the same transfers, whatever the cables are like, and
what XDP cannot carry TC does."""
import signal

from .. import servers
from ..cables import (jumbo, kernel_tells, need_redirected, new_mac,
                      new_mac_silently, take_redirected, whole_checksums, whole_tags)
from ..check import check, equal, wait_until
from ..clients import Curl, Lftp, Tnftp
from ..files import SMALL_BYTES
from ..forwarders import nft_dnat, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import every_client, must_not_download, scenario, transfers
from ..slow import Slow
from ..topology import (BALANCER_INSIDE, CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK, VIP, VIP6, Port, balanced,
                        client_address, client_address6, connect, server_address,
                        server_address6)

KINDS = (Curl, Lftp, Tnftp)
# Of the transfers of one client: one file down, one up.
DATA_PACKETS = 2 * (SMALL_BYTES // 1448)
# What of a connection TC carries: its opening, its end, and what acknowledges these.
TC_PACKETS = 12
SLOW_BYTES = 6_000_000
SLOW_SECONDS = 2.5
# Less than a next hop is trusted in while changes are told of.
SOON_SECONDS = 2
# The dataplane trusts in its daemon for three seconds, and the stall that this may come to is
# over at TCP's next retransmission.
LONG_SECONDS = 12
# The kernel is shown every three seconds that a neighbour is in use, and needs some more to
# doubt it; what stands still meanwhile goes on at TCP's next retransmission.
DOUBT_SECONDS = 40
VLANS = (100, 200)
NEW_MAC = "02:00:00:00:fe:ed"


def _site(world, mode, family, one_arm=False, whole=True, vlans=(0, 0)):
    topology = balanced(world, one_arm=one_arm, ipv6=family == 6, vlans=vlans)
    take_redirected(topology)
    if whole:
        whole_checksums(topology)
    server = servers.vsftpd(world, topology.server, family=family)
    (nft_dnat if family == 4 else nft_dnat6)(topology, masquerade=mode == "fullnat")
    return topology, server


def _vip(family):
    return VIP if family == 4 else VIP6


def _clients(world, topology, server, family):
    """Shown to fail without ftpfix."""
    clients = every_client(world, topology.client, _vip(family), server, KINDS)
    must_not_download(clients[0], server)
    return clients


def _ftpfix(world, topology, mode, *options, xdp="native"):
    if xdp == "native":
        need_redirected()
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode, "--xdp", xdp,
                    *options)
    ftpfix.mark()
    return ftpfix


def _by_xdp(ftpfix, clients, connections):
    """XDP carried the data, TC the beginnings and the ends."""
    check(ftpfix.counted("packets forwarded_xdp") >= len(clients) * DATA_PACKETS,
          "XDP carried every full segment")
    check(ftpfix.counted("packets forwarded") <= connections * TC_PACKETS,
          "TC carried no more than the beginnings and the ends")
    check(ftpfix.counted("bytes forwarded_xdp") >= len(clients) * 2 * SMALL_BYTES,
          "XDP counts bytes")


def _by_tc(ftpfix, clients):
    check(ftpfix.counted("packets forwarded") >= len(clients) * DATA_PACKETS // 8,
          "TC carried the data")
    carried = ftpfix.counted("packets forwarded_xdp")
    check(carried <= ftpfix.counted("packets forwarded") // 100,
          f"XDP carried {carried} packets whose checksum only TC can complete")


def _not_by_xdp(ftpfix, clients, **interfaces):
    """What XDP does on each of them, and whether they take its frames; TC carried every byte."""
    equal({row["interface"]: (row["xdp"], row["sends"]) for row in ftpfix.show("interfaces")},
          interfaces, "what XDP does on each interface, and whether it sends there")
    equal(ftpfix.counted("packets forwarded_xdp"), 0, "packets that XDP carried")
    check(ftpfix.counted("bytes forwarded") >= len(clients) * 2 * SMALL_BYTES, "TC carried them")


def _all_transfers(ftpfix, clients, server):
    connections = sum(transfers(client, server) for client in clients)
    ftpfix.settle(connections)
    return connections


def _carried(world, mode, family, one_arm=False):
    topology, server = _site(world, mode, family, one_arm)
    clients = _clients(world, topology, server, family)
    ftpfix = _ftpfix(world, topology, mode)
    connections = _all_transfers(ftpfix, clients, server)
    _by_xdp(ftpfix, clients, connections)
    ftpfix.stop()


for _mode in ("nat", "fullnat"):
    for _family in (4, 6):
        scenario(f"xdp: {_mode}, IPv{_family}, three clients, the data is carried by XDP")(
            lambda world, mode=_mode, family=_family: _carried(world, mode, family))
scenario("xdp: one arm, nat, IPv4")(lambda world: _carried(world, "nat", 4, one_arm=True))
scenario("xdp: one arm, fullnat, IPv6")(lambda world: _carried(world, "fullnat", 6, one_arm=True))


def _tagged(world, mode, family, vlans):
    topology, server = _site(world, mode, family, vlans=vlans)
    whole_tags(topology)
    clients = _clients(world, topology, server, family)
    ftpfix = _ftpfix(world, topology, mode)
    connections = _all_transfers(ftpfix, clients, server)
    _by_xdp(ftpfix, clients, connections)
    ftpfix.stop()


scenario("xdp: from one VLAN into another, nat, IPv4")(
    lambda world: _tagged(world, "nat", 4, VLANS))
scenario("xdp: from one VLAN into another, fullnat, IPv6")(
    lambda world: _tagged(world, "fullnat", 6, VLANS))


@scenario("xdp: devices that have VLAN tags beside the frames: TC carries them")
def tags_taken_off(world):
    topology, server = _site(world, "nat", 4, vlans=VLANS)
    clients = _clients(world, topology, server, 4)
    ftpfix = _ftpfix(world, topology, "nat", xdp="auto")
    _all_transfers(ftpfix, clients, server)
    # It is there, and finds none of the tags that it looks for.
    _not_by_xdp(ftpfix, clients, uplink=("native", kernel_tells()),
                inside=("native", kernel_tells()))
    ftpfix.stop()


def _partial(world, mode, family):
    topology, server = _site(world, mode, family, whole=False)
    clients = _clients(world, topology, server, family)
    ftpfix = _ftpfix(world, topology, mode)
    _all_transfers(ftpfix, clients, server)
    _by_tc(ftpfix, clients)
    ftpfix.stop()


scenario("xdp: checksums that the hosts leave to their devices, nat, IPv4")(
    lambda world: _partial(world, "nat", 4))
scenario("xdp: checksums that the hosts leave to their devices, fullnat, IPv6")(
    lambda world: _partial(world, "fullnat", 6))


@scenario("xdp: generic")
def generic(world):
    topology, server = _site(world, "nat", 4)
    clients = _clients(world, topology, server, 4)
    ftpfix = _ftpfix(world, topology, "nat", xdp="generic")
    connections = _all_transfers(ftpfix, clients, server)
    _by_xdp(ftpfix, clients, connections)
    ftpfix.stop()


@scenario("xdp: a peer that takes nothing that XDP redirects: TC carries it")
def deaf(world):
    topology, server = _site(world, "nat", 4)
    take_redirected(topology, on=False)
    clients = _clients(world, topology, server, 4)
    ftpfix = _ftpfix(world, topology, "nat", xdp="auto")
    _all_transfers(ftpfix, clients, server)
    _not_by_xdp(ftpfix, clients, uplink=("native", False), inside=("native", False))
    ftpfix.stop()


def _bridge_inside(topology):
    """The inside interface becomes a bridge, which has no XDP of its own."""
    run = topology.balancer.run
    run("ip", "link", "set", INSIDE, "down")
    run("ip", "link", "set", INSIDE, "name", "wire")
    run("ip", "address", "flush", "dev", "wire")
    run("ip", "link", "add", INSIDE, "type", "bridge")
    run("ip", "link", "set", "wire", "master", INSIDE, "up")
    run("ip", "address", "add", "10.0.0.1/24", "dev", INSIDE)
    run("ip", "link", "set", INSIDE, "up")


@scenario("xdp: native on the uplink only, a bridge on the inside")
def uplink_only(world):
    topology, server = _site(world, "nat", 4)
    _bridge_inside(topology)
    clients = _clients(world, topology, server, 4)
    ftpfix = _ftpfix(world, topology, "nat", xdp="auto")
    _all_transfers(ftpfix, clients, server)
    # It takes the uplink's packets, and cannot send them on.
    _not_by_xdp(ftpfix, clients, uplink=("native", kernel_tells()), inside=("off", False))
    ftpfix.stop()


@scenario("xdp: frames of several pages")
def frames_of_pages(world):
    topology, server = _site(world, "nat", 4)
    jumbo(topology)
    client = Curl(world, topology.client, VIP, server.port, server.login)
    must_not_download(client, server)
    ftpfix = _ftpfix(world, topology, "nat")
    for upload in (False, True):
        Slow(world, topology.client, VIP, server, SLOW_BYTES, 0.5, upload).finish()
    ftpfix.settle(2)
    carried = ftpfix.counted("bytes forwarded_xdp")
    check(carried >= 2 * SLOW_BYTES - 10 * 9000, f"XDP carried {carried} bytes")
    # Acknowledgements among them.
    check(carried / ftpfix.counted("packets forwarded_xdp") > 3000, "in frames of several pages")
    ftpfix.stop()


def _both_ways(world, topology, server, family):
    """A download and an upload that have begun."""
    return [Slow(world, topology.client, _vip(family), server, SLOW_BYTES, SLOW_SECONDS, upload)
            for upload in (False, True)]


def _go_on(running, seconds=SOON_SECONDS):
    """Neither waits for its next hop to be forgotten."""
    before = [transfer.done() for transfer in running]
    for transfer, part in zip(running, before):
        transfer.until(min(1, part + 0.05), seconds)


def _finish(ftpfix, running, by="forwarded_xdp"):
    """They end well, and XDP, or TC, carries them again."""
    before = ftpfix.counted(f"packets {by}")
    check(all(transfer.running() for transfer in running), "the change came in mid-transfer")
    for transfer in running:
        transfer.finish()
    carried = ftpfix.counted(f"packets {by}") - before
    check(carried >= SLOW_BYTES // 1448, f"{carried} packets were {by} after the change")


def _by(xdp):
    return "forwarded" if xdp == "off" else "forwarded_xdp"


def _neighbour(world, mode, family, of_server, xdp="native"):
    topology, server = _site(world, mode, family)
    must_not_download(Curl(world, topology.client, _vip(family), server.port, server.login,
                           extended=True), server)
    ftpfix = _ftpfix(world, topology, mode, xdp=xdp)
    running = _both_ways(world, topology, server, family)
    if of_server:
        changed, device = topology.server, SERVER_DEVICE
        address = server_address(0) if family == 4 else server_address6(0)
    else:
        changed, device = topology.client, CLIENT_DEVICE
        address = client_address(0) if family == 4 else client_address6(0)
    new_mac(changed, device, NEW_MAC)
    wait_until(lambda: NEW_MAC in topology.balancer.run("ip", "neigh", "show", address).stdout,
               "the balancer knows the new address")
    _go_on(running)
    _finish(ftpfix, running, _by(xdp))
    ftpfix.settle(2)
    ftpfix.stop()


scenario("xdp: the server's MAC changes in mid-transfer, nat, IPv4")(
    lambda world: _neighbour(world, "nat", 4, of_server=True))
scenario("xdp: the server's MAC changes in mid-transfer, fullnat, IPv6")(
    lambda world: _neighbour(world, "fullnat", 6, of_server=True))
scenario("xdp: the client's MAC changes in mid-transfer, nat, IPv6")(
    lambda world: _neighbour(world, "nat", 6, of_server=False))
scenario("xdp: off, the server's MAC changes in mid-transfer, IPv4")(
    lambda world: _neighbour(world, "nat", 4, of_server=True, xdp="off"))


@scenario("xdp: the server's MAC changes in mid-transfer, and nobody is told")
def silent_neighbour(world):
    topology, server = _site(world, "nat", 4)
    # By default the kernel takes half a minute to doubt a neighbour.
    for name, value in (("base_reachable_time_ms", 2000), ("delay_first_probe_time", 1),
                        ("retrans_time_ms", 200)):
        topology.balancer.sysctl(f"net/ipv4/neigh/{INSIDE}/{name}", value)
    topology.balancer.run("ip", "neigh", "flush", "dev", INSIDE)
    must_not_download(Curl(world, topology.client, VIP, server.port, server.login), server)
    ftpfix = _ftpfix(world, topology, "nat")
    running = [Slow(world, topology.client, VIP, server, SLOW_BYTES, 10, upload,
                    patience=DOUBT_SECONDS) for upload in (False, True)]
    # The kernel used the server when these began.
    for transfer in running:
        transfer.until(0.3)
    new_mac_silently(topology.server, SERVER_DEVICE, NEW_MAC, BALANCER_INSIDE)
    _go_on(running, DOUBT_SECONDS)
    _finish(ftpfix, running)
    ftpfix.settle(2)
    ftpfix.stop()


def _second_cable(world, topology, family):
    """From the balancer to the server, beside the first."""
    inner, outer = (("10.1.0.1/24", "10.1.0.175/24") if family == 4
                    else ("fd00:11::1/64", "fd00:11::175/64"))
    facing = connect(world, [Port(topology.server, "eth1", [outer]),
                             Port(topology.balancer, "inside2", [inner])])
    facing[0].run("ethtool", "-K", facing[1], "gro", "on", "tx", "off")


def _move(topology, family):
    """To the second cable; the first is cut."""
    address, ahead, back = ((server_address(0), "10.1.0.175", "10.1.0.1") if family == 4
                            else (server_address6(0), "fd00:11::175", "fd00:11::1"))
    topology.server.run("ip", f"-{family}", "route", "replace", "default", "via", back)
    topology.balancer.run("ip", f"-{family}", "route", "replace", address, "via", ahead)
    topology.balancer.run("ip", "link", "set", INSIDE, "down")


def _route(world, family, xdp="native"):
    topology, server = _site(world, "nat", family)
    _second_cable(world, topology, family)
    must_not_download(Curl(world, topology.client, _vip(family), server.port, server.login,
                           extended=True), server)
    ftpfix = _ftpfix(world, topology, "nat", "--server-dev", INSIDE, "inside2", xdp=xdp)
    running = _both_ways(world, topology, server, family)
    _move(topology, family)
    _go_on(running)
    _finish(ftpfix, running, _by(xdp))
    ftpfix.settle(2)
    ftpfix.stop()


scenario("xdp: the route moves to another interface in mid-transfer, IPv4")(
    lambda world: _route(world, 4))
scenario("xdp: the route moves to another interface in mid-transfer, IPv6")(
    lambda world: _route(world, 6))
scenario("xdp: off, the route moves to another interface in mid-transfer, IPv6")(
    lambda world: _route(world, 6, xdp="off"))


def _abandoned(world, end, *options, xdp):
    """The daemon is no more, or hangs, when the route moves: nobody tells of that."""
    topology, server = _site(world, "nat", 4)
    _second_cable(world, topology, 4)
    must_not_download(Curl(world, topology.client, VIP, server.port, server.login,
                           extended=True), server)
    ftpfix = _ftpfix(world, topology, "nat", "--server-dev", INSIDE, "inside2", *options, xdp=xdp)
    running = [Slow(world, topology.client, VIP, server, SLOW_BYTES, LONG_SECONDS, upload)
               for upload in (False, True)]
    ftpfix.send(end)
    _move(topology, 4)
    _go_on(running, LONG_SECONDS - 2)
    check(all(transfer.running() for transfer in running), "the route moved in mid-transfer")
    for transfer in running:
        transfer.finish()
    return ftpfix


@scenario("xdp: the daemon is killed, then the route moves to another interface in mid-transfer")
def killed(world):
    # Its XDP programs go with it, and of TC's those stay that are on by clsact.
    _abandoned(world, signal.SIGKILL, "--attach", "clsact", xdp="native")


@scenario("xdp: the daemon hangs, then the route moves to another interface in mid-transfer")
def hanging(world):
    ftpfix = _abandoned(world, signal.SIGSTOP, xdp="native")
    ftpfix.send(signal.SIGCONT)
    check(ftpfix.counted("packets forwarded_xdp") >= 2 * SLOW_BYTES // 1448, "XDP carried it on")
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("xdp: a device takes no more frames from XDP in mid-transfer: TC carries it on")
def deaf_meanwhile(world):
    topology, server = _site(world, "nat", 4)
    must_not_download(Curl(world, topology.client, VIP, server.port, server.login), server)
    ftpfix = _ftpfix(world, topology, "nat", xdp="native")
    running = _both_ways(world, topology, server, 4)
    take_redirected(topology, on=False)
    _go_on(running)
    for transfer in running:
        transfer.finish()
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("xdp: without forwarding in the kernel TC carries everything")
def no_forwarding(world):
    topology, server = _site(world, "nat", 4)
    must_not_download(Curl(world, topology.client, VIP, server.port, server.login), server)
    ftpfix = _ftpfix(world, topology, "nat")
    running = _both_ways(world, topology, server, 4)
    # Now control connections rest: nftables needs forwarding.
    topology.balancer.sysctl("net/ipv4/ip_forward", 0)
    wait_until(lambda: all(transfer.done() > 0.5 for transfer in running), "half of both")
    topology.balancer.sysctl("net/ipv4/ip_forward", 1)
    for transfer in running:
        transfer.finish()
    equal(ftpfix.counted("packets failed"), 0, "packets that the kernel refused")
    ftpfix.settle(2)
    ftpfix.stop()
