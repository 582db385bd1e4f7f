# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Errors of routers about ftpfix's connections, and its own: a path that takes less than its
ends believe, packets that have come too far, a SYN that cannot be served."""
import errno
import itertools
import re
import socket

from .. import servers
from ..balancing import balancer, network, vip
from ..cables import need_redirected, take_redirected, whole_checksums
from ..check import check, equal, raises, wait_until
from ..clients import HANGING_SECONDS, Curl
from ..control import Control
from ..scenario import SMALL, must_download, must_not_download, scenario
from ..topology import BALANCER_INSIDE
from ..topology_routers import CLIENT, NODE, SERVER, routed

BIG = "pub/big.bin"
BIG_BYTES = 3_000_000
MTU = 1300

# Where packets become too many for the path, and which way they go.
UPWARD = ("inner", "node")
DOWNWARD = ("outer",)

# What carries the packets, by what is said of it: TC, as the hosts' checksums come, or XDP, or
# the node's stack; or TC, which puts the client's address into the first ones.
TC, WHOLE, XDP, STACK = "--path direct", "checksums whole", "--xdp native", "--path stack"
TOLD = "--client-address toa"
OPTIONS = {TC: (), WHOLE: (), XDP: ("--xdp", "native"), STACK: ("--path", "stack"),
           TOLD: ("--client-address", "toa")}


def _site(world, family, how, mtu=()):
    if how == XDP:
        need_redirected()
    topology = routed(world, family, mtu)
    if how in (WHOLE, XDP, TOLD):
        whole_checksums(topology)
    if how == XDP:
        take_redirected(topology)
    return topology, servers.vsftpd(world, topology.server, family=family)


def _balancer(world, topology, mode, family, how):
    return balancer(world, topology, *OPTIONS[how], mode=mode, family=family,
                    addresses=[SERVER[family]])


def _learned(namespace, family, target):
    """The path MTU that a host has learned, or nothing."""
    found = re.search(r"\bmtu (\d+)", namespace.run("ip", f"-{family}", "route", "get",
                                                    target).stdout)
    return int(found.group(1)) if found else None


def _errors(namespace, family, pass_them):
    """Lets a router's own ICMP errors out, or not."""
    kind, reasons = ("ip", "icmp type destination-unreachable") if family == 4 else (
        "ip6", "icmpv6 type packet-too-big")
    namespace.run("nft", "delete", "table", kind, "mute", check=False)
    if not pass_them:
        namespace.run("nft", "-f", "-", text_in=f"""
            table {kind} mute {{
                chain out {{
                    type filter hook output priority filter
                    {reasons} drop
                }}
            }}""")


def _upload_hangs(topology, family, server):
    control = Control(topology.client, vip(family))
    control.log_in(server.login)
    data = control.dial(control.extended())
    control.ask("STOR pub/hangs", 125, 150)
    data.settimeout(HANGING_SECONDS)
    raises(TimeoutError, lambda: data.sendall(bytes(BIG_BYTES)), "an upload without errors")
    data.close()
    control.close()


def _hangs_without_errors(topology, client, server, where, family):
    _errors(getattr(topology, where), family, False)
    if where in UPWARD:
        _upload_hangs(topology, family, server)
    else:
        must_not_download(client, server, BIG)
    _errors(getattr(topology, where), family, True)


def _narrow(world, where, mode, family, how):
    topology, server = _site(world, family, how, {where: MTU})
    server.files.write(BIG, BIG_BYTES)
    ftpfix = _balancer(world, topology, mode, family, how)
    client = Curl(world, topology.client, vip(family), server.port, server.login, True)
    if where in UPWARD:
        learner, target = topology.client, vip(family)
    else:
        learner, target = topology.server, (NODE if mode == "fullnat" else CLIENT)[family]
    # XDP leaves errors to TC.
    if where != "node" and how != XDP:
        _hangs_without_errors(topology, client, server, where, family)
    equal(_learned(learner, family, target), None, "path MTU before")
    ftpfix.mark()
    if where in UPWARD:
        # The second one by what the client has learned.
        for name in ("pub/arrives", "pub/arrives-too"):
            output = client.store(server.files.path(BIG), name)
            equal(server.files.checksum(name), server.files.checksum(BIG),
                  f"the file that was stored ({output})")
    else:
        must_download(client, server, BIG)
    equal(_learned(learner, family, target), MTU, "path MTU that the sender learned")
    if where == "node":
        check(ftpfix.counted("packets icmp_sent") > 0, "ftpfix told the sender")
        check(ftpfix.counted("packets too_big") > 0, "and counted why")
    else:
        check(ftpfix.counted("packets icmp") > 0, "ftpfix translated the router's error")
    check(how != XDP or ftpfix.counted("packets forwarded_xdp") >= BIG_BYTES // MTU,
          "XDP carried the segments")
    ftpfix.stop()


for _where, _mode, _family, _how in (
        *itertools.product(UPWARD + DOWNWARD, ("nat", "fullnat"), (4, 6), (TC,)),
        ("node", "nat", 4, WHOLE), ("node", "nat", 6, WHOLE),
        ("inner", "fullnat", 4, TOLD), ("inner", "fullnat", 6, TOLD),
        ("inner", "nat", 4, XDP), ("node", "nat", 6, XDP), ("outer", "fullnat", 6, XDP),
        ("inner", "nat", 4, STACK), ("outer", "nat", 4, STACK),
        ("inner", "fullnat", 4, STACK), ("outer", "fullnat", 6, STACK)):
    scenario(f"pmtu: narrow at {_where}, {_mode}, IPv{_family}, {_how}")(
        lambda world, one=(_where, _mode, _family, _how): _narrow(world, *one))


def _time_to_live(connection, family, hops):
    if family == 4:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
    else:
        connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)


def _exceeded(client, family, send):
    """Who tells the client that a packet has come too far."""
    kind, protocol, error = ((socket.AF_INET, socket.IPPROTO_ICMP, 11) if family == 4 else
                             (socket.AF_INET6, socket.IPPROTO_ICMPV6, 3))
    with client.call(lambda: socket.socket(kind, socket.SOCK_RAW, protocol)) as listener:
        listener.settimeout(5)
        send()
        while True:
            packet, sender = listener.recvfrom(2048)
            start = (packet[0] & 15) * 4 if family == 4 else 0
            if packet[start] == error:
                return sender[0]


def _too_far(world, mode, family, how):
    topology, server = _site(world, family, how)
    ftpfix = _balancer(world, topology, mode, family, how)
    # The node's own stack tells the one whom it takes for the client, as any router does.
    for hops, counter in ((2, "packets icmp" if how == STACK else "packets icmp_sent"),
                          (3, "packets icmp")):
        control = world.keep(Control(topology.client, vip(family)))
        control.log_in(server.login)
        data = world.keep(control.dial(control.extended()))
        control.ask(f"STOR pub/far{hops}", 125, 150)
        # Else the kernel keeps the error to itself, and tries again.
        data.setsockopt(*((socket.IPPROTO_IP, 11) if family == 4 else (socket.IPPROTO_IPV6, 25)), 1)
        _time_to_live(data, family, hops)
        ftpfix.mark()
        # Of hops behind the virtual address the client sees that alone.
        equal(_exceeded(topology.client, family, lambda one=data: one.send(b"data")),
              vip(family), f"who says that {hops} hops were too few")
        wait_until(lambda one=data: one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                   == errno.EHOSTUNREACH, "the client's TCP took the error for its own")
        check(ftpfix.counted(counter) > 0, counter)
        _time_to_live(data, family, 64)
        data.close()
        equal(control.reply().code, 226, "the transfer went on")
        equal(server.files.checksum(f"pub/far{hops}") is not None, True, "what was sent")
    check(how != XDP or ftpfix.counted("packets forwarded_xdp") > 0, "XDP carried segments")
    ftpfix.stop()


for _mode, _family, _how in (
        ("nat", 4, TC), ("nat", 4, WHOLE), ("nat", 6, TC), ("nat", 6, WHOLE),
        ("nat", 4, XDP), ("fullnat", 6, XDP), ("nat", 4, STACK), ("fullnat", 6, STACK)):
    scenario(f"pmtu: packets that have come too far, {_mode}, IPv{_family}, {_how}")(
        lambda world, one=(_mode, _family, _how): _too_far(world, *one))


def _refused(world, family, whole):
    """Without a free source port a client is told at once."""
    topology = network(world, count=1, family=family)
    if whole:
        whole_checksums(topology)
    source = BALANCER_INSIDE if family == 4 else "[fd00:10::1]"
    server = servers.vsftpd(world, topology.server, family=family)
    ftpfix = balancer(world, topology, "--source", f"{source}:40000-40000", mode="fullnat",
                      family=family)
    first = world.keep(Control(topology.client, vip(family)))
    first.log_in(server.login)
    raises(ConnectionRefusedError, lambda: Control(topology.client, vip(family)),
           "dialling when no source port is free")
    equal(ftpfix.counted("packets refused"), 1, "SYNs that were answered with a reset")
    # A data connection has another destination, so that the port serves it too.
    check(first.transfer(first.extended(), f"RETR {SMALL}"), "a transfer of the first session")
    ftpfix.stop()


for _family in (4, 6):
    for _whole in (False, True):
        scenario(f"pmtu: no source port, the client is refused, IPv{_family}"
                 + (", checksums whole" if _whole else ""))(
            lambda world, family=_family, whole=_whole: _refused(world, family, whole))
