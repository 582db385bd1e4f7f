# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Under FULLNAT a server sees an address of the balancer's as the client, unless it is told
the client's own one: by a TCP option (TOA), which it has a receiver for, or by a header in
front of the control connection (PROXY protocol), which it or HAProxy reads."""
import os
import re
import sys
from collections import Counter

from .. import servers, servers_small
from ..balancing import balancer, mostly_by_xdp, network, own, real, vip
from ..cables import need_redirected, take_redirected, whole_checksums
from ..check import contains, equal, wait_until
from ..clients import Curl, Lftp
from ..control import Control, receive_all
from ..fake_server import FakeServer, reply_227
from ..forwarders import nft_dnat, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import (every_client, must_download, must_not_download, scenario,
                        transfers)
from ..servers import find_program, listening
from ..toa_receiver import ToaReceiver
from ..topology import BALANCER_INSIDE, BALANCER_INSIDE6, UPLINK, balanced

TELLER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "programs",
                      "peer_teller.py")
TELLER_PORT = 21485


def _teller(world, namespace, address):
    """Whoever dials it is told who it seems to be."""
    process = world.keep(namespace.spawn(sys.executable, TELLER, address, str(TELLER_PORT),
                                         name="teller"))
    process.wait_for(lambda: listening(namespace, TELLER_PORT), f"listening on {TELLER_PORT}")


def _told(connection):
    """What the teller said, and what is true."""
    address, port = connection.getsockname()[:2]
    return receive_all(connection).decode("ascii"), f"{address} {port}"


def _masqueraded(world, family):
    """A server behind nftables, that answers PASV and EPSV with the teller."""
    topology = balanced(world, ipv6=family == 6)
    server = ToaReceiver(world).on(topology.server)
    _teller(world, server, real(family)(0))
    reply_229 = f"229 Extended Passive Mode (|||{TELLER_PORT}|)\r\n".encode("ascii")
    script = {"EPSV": [reply_229]}
    if family == 4:
        script["PASV"] = [reply_227(real(4)(0), TELLER_PORT)]
    FakeServer(world, topology.server, real(family)(0), script)
    (nft_dnat if family == 4 else nft_dnat6)(topology, masquerade=True)
    return topology


def _data(world, family, *options):
    topology = _masqueraded(world, family)
    control = world.keep(Control(topology.client, vip(family)))
    ask = control.passive if family == 4 else control.extended
    for how, told in ((("none",), False), (("toa", *options), True)):
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat",
                        "--client-address", *how)
        ftpfix.mark()
        seen, true = _told(control.dial(ask()))
        if told:
            equal(seen, true, "the peer of the data connection, as the server sees it")
        else:
            equal(seen.split()[0], _node(family), "the peer of the data connection without TOA")
        equal(bool(ftpfix.counted("packets toa")), told, "whether a packet got the option")
        equal(ftpfix.counted("packets toa_no_room"), 0, "packets without room for the option")
        ftpfix.settle(1)
        ftpfix.stop()


def _node(family):
    return BALANCER_INSIDE if family == 4 else BALANCER_INSIDE6


def _balanced(world, family, *options, path="direct", xdp="off"):
    """A server that compares the peers of its control and data connections: they must both
    be the client, or both the node."""
    if xdp != "off":
        need_redirected()
    topology = network(world, count=1, family=family)
    if xdp != "off":
        take_redirected(topology)
        whole_checksums(topology)
    server = servers.vsftpd(world, ToaReceiver(world).on(topology.server), family=family)
    clients = every_client(world, topology.client, vip(family), server)
    logged = set()
    for how, seen in ((("none",), _node(family)), (("toa", *options), own(family)(0))):
        ftpfix = balancer(world, topology, "--client-address", *how, "--path", path,
                          "--xdp", xdp, mode="fullnat", family=family)
        connections = sum(transfers(client, server, how[0]) for client in clients)
        logged.add(seen)
        equal(ftpfix.counted("packets toa_no_room"), 0, "connections without room for the option")
        equal(server.logged_clients(), logged, f"clients in the server's log, with {how[0]} too")
        ftpfix.settle(connections)
        if xdp != "off":
            mostly_by_xdp(ftpfix)
        ftpfix.stop()


@scenario("client address: TOA, control and data connections, vsftpd, five clients, IPv4")
def toa_balanced(world):
    _balanced(world, 4)


@scenario("client address: TOA, control and data connections, vsftpd, five clients, IPv6")
def toa_balanced6(world):
    _balanced(world, 6, "--toa-kind", "254,253")


def _dialled_back(world, promiscuous):
    """The server is told an address of the node's, and knows the client by its own one."""
    topology = network(world, count=1)
    server = servers.vsftpd(world, ToaReceiver(world).on(topology.server),
                            promiscuous=promiscuous)
    ftpfix = balancer(world, topology, "--client-address", "toa", mode="fullnat")
    client = Curl(world, topology.client, vip(4), server.port, server.login, active=True)
    if promiscuous:
        must_download(client, server)
    else:
        contains(must_not_download(client, server), "500 Illegal PORT command",
                 "the answer of a server that compares")
    equal(server.logged_clients(), {own(4)(0)}, "clients in the server's log")
    ftpfix.settle(int(promiscuous))
    ftpfix.stop()


@scenario("client address: TOA, active mode, a server that compares addresses refuses")
def toa_active_strict(world):
    _dialled_back(world, promiscuous=False)


@scenario("client address: TOA, active mode, a server that does not compare addresses")
def toa_active(world):
    _dialled_back(world, promiscuous=True)


@scenario("client address: TOA, control and data connections, XDP")
def toa_xdp(world):
    _balanced(world, 4, xdp="native")


@scenario("client address: TOA, control and data connections through the stack")
def toa_stack(world):
    _balanced(world, 4, path="stack")


@scenario("client address: TOA on data connections, IPv4")
def toa_data(world):
    _data(world, 4)


@scenario("client address: TOA on data connections, IPv6")
def toa_data6(world):
    _data(world, 6)


@scenario("client address: TOA on data connections, IPv6 with a kind of its own")
def toa_data6_kind(world):
    _data(world, 6, "--toa-kind", "254,253")


class _ProxiedServer:
    """HAProxy on the server's host, which may expect the header, and vsftpd behind it, which
    sees HAProxy as the client of all control connections."""

    # Where vsftpd is.
    PORT = 2121

    def __init__(self, world, namespace, family):
        self._world = world
        self._namespace = namespace
        self._address = real(family)(0)
        self._haproxy = None
        self.ftp = servers.vsftpd(world, namespace, self.PORT, promiscuous=True, family=family)

    def start(self, expecting):
        if self._haproxy:
            self._haproxy.stop()
        configuration = self._world.path("receiver.cfg")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(f"""\
global
  log stdout format raw local0
defaults
  mode tcp
  log global
  option tcplog
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen ftp
  bind {self._address}:21 {"accept-proxy" if expecting else ""}
  server own {self._address}:{self.PORT}
""")
        self._haproxy = self._world.keep(self._namespace.spawn(
            *find_program("haproxy", "haproxy"), "-f", configuration, "-db", name="receiver"))
        self._haproxy.wait_for(lambda: listening(self._namespace, 21), "listening on port 21")

    def must_log(self, client, count):
        """That many control connections are of this client, and none of another. The node's
        health checks are its own."""
        def clients():
            return Counter(re.findall(r"^(\S+):\d+ \[.*\] ftp ftp/own ",
                                      "\n".join(self._haproxy.lines), re.MULTILINE))
        wait_until(lambda: clients()[client] >= count, f"{count} sessions in HAProxy's log")
        equal(set(clients()) - {_node(4), _node(6)}, {client} - {_node(4), _node(6)},
              "clients in HAProxy's log")


def _proxied(world, family, version, active, path):
    topology = network(world, count=1, family=family)
    server = _ProxiedServer(world, topology.server, family)
    clients = every_client(world, topology.client, vip(family), server.ftp, active=active)
    for client in clients:
        client.port = 21
    for how, seen in (("none", _node(family)), (version, own(family)(0))):
        server.start(expecting=how != "none")
        ftpfix = balancer(world, topology, "--client-address", how, "--path", path,
                          mode="fullnat", family=family)
        connections = sum(transfers(client, server.ftp, how) for client in clients)
        ftpfix.settle(connections)
        sessions = ftpfix.counted("balanced opened")
        server.must_log(seen, sessions)
        equal(ftpfix.counted("packets proxy_header") >= sessions, how != "none",
              "whether every session began with a header")
        ftpfix.stop()


for _version, _family, _active, _path in (
        ("proxy-v1", 4, False, "direct"), ("proxy-v1", 6, True, "direct"),
        ("proxy-v2", 4, True, "direct"), ("proxy-v2", 6, False, "direct"),
        ("proxy-v1", 4, True, "stack"), ("proxy-v2", 6, False, "stack")):
    scenario(f"client address: {_version}, HAProxy and vsftpd, five clients, "
             f"{'active' if _active else 'passive'}, IPv{_family}, path {_path}")(
                 lambda world, one=(_family, _version, _active, _path): _proxied(world, *one))


def _introduced(world, family, version):
    """An FTP server that reads the header itself."""
    topology = network(world, count=1, family=family)
    server = servers_small.pyftpdlib(world, topology.server, family=family, proxy=version)
    ftpfix = balancer(world, topology, "--client-address", f"proxy-{version}",
                      "--health-interval", "0", mode="fullnat", family=family)
    clients = every_client(world, topology.client, vip(family), server, (Curl, Lftp))
    connections = sum(transfers(client, server) for client in clients)
    ftpfix.settle(connections)

    def logged():
        return re.findall(r"(\S+):\d+-\[\S*\] (.*)", "\n".join(server.process.lines))

    def count(words):
        return sum(words in line for _, line in logged())
    wait_until(lambda: count("FTP session closed") == ftpfix.counted("balanced opened"),
               "the end of every session is logged")
    equal({client for client, _ in logged()}, {own(family)(0)}, "clients in the server's log")
    equal(count("completed=1"), 2 * len(clients), "files logged")
    equal(count(f"data connection with foreign address {_node(family)}:"), connections,
          "data connections logged")
    ftpfix.stop()


for _version, _family in (("v1", 4), ("v2", 6)):
    scenario(f"client address: proxy-{_version}, an FTP server that reads it, IPv{_family}")(
        lambda world, one=(_family, _version): _introduced(world, *one))


def _lose_one(namespace):
    """The first packet to the control port that is no SYN."""
    namespace.run("nft", "-f", "-", text_in="""
        table inet losing {
            chain in {
                type filter hook prerouting priority raw
                tcp dport 21 tcp flags & (syn | ack) == ack limit rate 1/hour burst 1 packets counter drop
            }
        }""")


def _must_have_lost(namespace):
    contains(namespace.run("nft", "list", "table", "inet", "losing").stdout, "packets 1 ",
             "the packet that was lost")


@scenario("client address: a PROXY header that is lost comes again")
def proxy_lost(world):
    topology = network(world, count=1)
    server = _ProxiedServer(world, topology.server, 4)
    server.start(expecting=True)
    ftpfix = balancer(world, topology, "--client-address", "proxy-v2", "--health-interval", "0",
                      mode="fullnat")
    _lose_one(topology.server)
    control = world.keep(Control(topology.client, vip(4)))
    _must_have_lost(topology.server)
    control.log_in(server.ftp.login)
    control.ask("QUIT", 221)
    control.close()
    server.must_log(own(4)(0), 1)
    equal(ftpfix.counted("packets proxy_header"), 2, "packets with the header")
    ftpfix.stop()


@scenario("client address: a TOA option that is lost comes again")
def toa_lost(world):
    topology = network(world, count=1)
    server = servers.vsftpd(world, ToaReceiver(world).on(topology.server))
    ftpfix = balancer(world, topology, "--client-address", "toa", "--health-interval", "0",
                      mode="fullnat")
    _lose_one(topology.server)
    control = world.keep(Control(topology.client, vip(4)))
    _must_have_lost(topology.server)
    control.log_in(server.login)
    equal(server.logged_clients(), {own(4)(0)}, "clients in the server's log")
    equal(ftpfix.counted("packets toa"), 2, "packets with the option")
    ftpfix.stop()


def _checked(world, version):
    """A server that expects headers is no less up for that."""
    topology = network(world, count=1)
    server = _ProxiedServer(world, topology.server, 4)
    server.start(expecting=True)
    ftpfix = balancer(world, topology, "--client-address", version, "--health-interval", "1",
                      mode="fullnat")
    # Of the server that is up every check but the last is logged.
    server.must_log(_node(4), 2)
    control = world.keep(Control(topology.client, vip(4)))
    control.log_in(server.ftp.login)
    control.ask("QUIT", 221)
    control.close()
    server.must_log(own(4)(0), 1)
    ftpfix.stop()


for _version in ("proxy-v1", "proxy-v2"):
    scenario(f"client address: health checks introduce themselves, {_version}")(
        lambda world, version=_version: _checked(world, version))
