# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ftpfix is the balancer: it forwards control and data connections, on a node that has no
NAT rules and no address of the service."""
from collections import Counter

from .. import servers
from ..balancing import (add_addresses, balancer, by_role, destinations, greeters, greeting,
                         mostly_by_xdp, network, own, real, vip)
from ..cables import need_redirected, take_redirected, whole_checksums
from ..capture import Capture
from ..check import check, equal, raises, wait_until
from ..clients import Curl, Ftplib, Inetutils, Lftp, Tnftp
from ..clients_tls import FtplibTls
from ..control import Control, Endpoint, dial
from ..files import checksum_of
from ..scenario import SMALL, every_client, scenario, transfers
from ..topology import (BALANCER_INSIDE, BALANCER_INSIDE6, SERVER_DEVICE, SPARE_VIP, SPARE_VIP6,
                        VIP, VIP6)

KINDS = (Tnftp, Inetutils, Curl, Lftp, Ftplib)
# So many clients tell how sessions are spread, within five standard deviations.
MANY = 200
# What each kind of server greets with.
GREETINGS = {"server0": "220 server0", "server1": "Pure-FTPd", "server2": "ProFTPD"}


def _seen(mode, family):
    """Whom a server sees as the first client."""
    if mode == "nat":
        return own(family)(0)
    return BALANCER_INSIDE if family == 4 else BALANCER_INSIDE6


def _unreachable(topology, family):
    raises(OSError, lambda: dial(topology.client, Endpoint(vip(family), 21), timeout=0.5),
           "dialling the virtual address without ftpfix")


def _sessions_end(ftpfix):
    """Every control connection was forwarded from its beginning to its end."""
    wait_until(lambda: ftpfix.counted("balanced closed") == ftpfix.counted("balanced opened"),
               "every control connection ended")
    equal(ftpfix.counted("balanced established"), ftpfix.counted("balanced opened"),
          "control connections established")


def _real_clients(world, mode, family, forwarding, active, one_arm, options):
    if "--xdp" in options:
        need_redirected()
    topology = network(world, count=2, family=family, forwarding=forwarding, one_arm=one_arm)
    take_redirected(topology)
    whole_checksums(topology)
    started = by_role(world, topology, family=family)
    captures = {namespace.role: world.keep(Capture(namespace, SERVER_DEVICE))
                for namespace in topology.servers}
    _unreachable(topology, family)

    # Health checks would stand in the servers' logs, too.
    ftpfix = balancer(world, topology, "--health-interval", "0", *options, mode=mode,
                      family=family)
    role = greeting(topology.client, vip(family))
    clients = every_client(world, topology.client, vip(family), started[role], KINDS, active)
    connections = sum(transfers(client, started[role]) for client in clients)
    ftpfix.settle(connections)
    if "--xdp" in options:
        mostly_by_xdp(ftpfix)
    _sessions_end(ftpfix)
    check(ftpfix.counted("balanced opened") >= 1 + connections, "one session for each transfer")
    # One client's sessions share a server, and the other one had none.
    for name, server in started.items():
        equal(server.logged_clients(), {_seen(mode, family)} if name == role else set(),
              f"clients in the log of {name}")
    if not active:
        sources = {opening.source for opening in captures[role].openings()}
        equal(sources, {_seen(mode, family)}, "the peers of the data connections at the server")
    ftpfix.stop()


_XDP = ("--xdp", "native")
for _mode, _family, _forwarding, _active, _one_arm, _options, _name in (
        ("nat", 4, True, False, False, (), "passive"),
        ("fullnat", 4, False, False, False, (), "passive, no forwarding in the kernel"),
        ("nat", 6, False, False, False, (), "passive, no forwarding in the kernel"),
        ("fullnat", 6, True, False, False, _XDP, "passive, XDP"),
        ("nat", 4, True, True, False, _XDP, "active, XDP"),
        ("fullnat", 4, True, True, False, (), "active"),
        ("fullnat", 6, False, True, False, (), "active, no forwarding in the kernel"),
        ("nat", 4, True, True, True, _XDP, "active, one arm, XDP"),
        ("fullnat", 6, True, False, True, _XDP, "passive, one arm, XDP")):
    scenario(f"balancer: {_mode}, IPv{_family}, five clients, {_name}")(
        lambda world, one=(_mode, _family, _forwarding, _active, _one_arm, _options):
        _real_clients(world, *one))


@scenario("balancer: vsftpd, pure-ftpd and proftpd behind one address, nat and fullnat")
def three_kinds(world):
    topology = network(world, count=3)
    addresses = add_addresses(topology.client, 12)
    started = {namespace.role: start(world, namespace) for namespace, start in zip(
        topology.servers, (servers.vsftpd, servers.pure_ftpd, servers.proftpd))}
    for mode in ("nat", "fullnat"):
        ftpfix = balancer(world, topology, mode=mode)
        came = Counter()
        for address in addresses:
            source = Endpoint(address, 0)
            control = world.keep(Control(topology.client, VIP, source=source))
            role, = (role for role, words in GREETINGS.items()
                     if any(words in line for line in control.transcript))
            control.log_in(started[role].login)
            content = control.transfer(control.passive(), f"RETR {SMALL}", source)
            equal(checksum_of(content), started[role].files.checksum(SMALL), f"file of {role}")
            control.close()
            came[role] += 1
        check(len(came) > 1, f"all clients came to one server: {came}")
        ftpfix.settle(len(addresses))
        ftpfix.stop()


def _shares(world, family, options, expected):
    topology = network(world, count=2, family=family)
    greeters(world, topology, family)
    sources = add_addresses(topology.client, MANY, family)
    ftpfix = balancer(world, topology, family=family,
                      addresses=[real(family)(index) + option
                                 for index, option in enumerate(options)])
    first = destinations(topology.client, vip(family), sources)
    share = Counter(first.values())["server0"] / MANY
    check(abs(share - expected) < 5 * (expected * (1 - expected) / MANY) ** 0.5,
          f"the first server has {share:.0%} of the clients, not about {expected:.0%}")
    few = sources[:30]
    equal(destinations(topology.client, vip(family), few), {one: first[one] for one in few},
          "the servers of clients that come again")
    equal(ftpfix.counted("balanced opened"), MANY + len(few), "sessions")
    _sessions_end(ftpfix)
    ftpfix.stop()


scenario(f"balancer: {MANY} clients are spread evenly, and come to the same server again")(
    lambda world: _shares(world, 4, ("", ""), 0.5))
scenario(f"balancer: {MANY} clients are spread by weight, IPv6")(
    lambda world: _shares(world, 6, ("", ",weight=3"), 0.25))


@scenario("balancer: least connections, by weight")
def least_connections(world):
    topology = network(world, count=2)
    greeters(world, topology)
    ftpfix = balancer(world, topology, "--balance", "least-connections",
                      addresses=[f"{real(4)(0)},weight=2", real(4)(1)])

    def stay(count):
        return [world.keep(Control(topology.client, VIP)) for _ in range(count)]

    def where(sessions):
        return Counter(session.greeting.text.split()[1] for session in sessions)
    sessions = stay(30)
    equal(where(sessions), {"server0": 20, "server1": 10}, "sessions that stay")
    # The next ones go where sessions ended.
    for session in sessions:
        if session.greeting.text.endswith("server0"):
            session.close()
    wait_until(lambda: ftpfix.counted("balanced closed") == 20, "sessions ended")
    equal(where(stay(20)), {"server0": 20}, "sessions that came after")
    ftpfix.stop()


@scenario("balancer: several virtual addresses, IPv4 and IPv6, two ports, a server at another")
def several(world):
    topology = network(world, count=2, family=6)
    started = servers.vsftpd(world, topology.server, port=2121, family=6)
    vips = [(VIP, 21), (VIP, 2100), (SPARE_VIP, 21), (VIP6, 21), (SPARE_VIP6, 2100)]
    ftpfix = balancer(world, topology, addresses=[f"{real(4)(0)}:2121", f"[{real(6)(0)}]:2121"],
                      vips=[f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
                            for address, port in vips])
    connections = 0
    for address, port in vips:
        client = Curl(world, topology.client, address, port, started.login, extended=True)
        connections += transfers(client, started, f"up{connections}")
    ftpfix.settle(connections)
    _sessions_end(ftpfix)
    ftpfix.stop()


@scenario("balancer: FTP over TLS, the sessions of one client share a server")
def secure(world):
    topology = network(world, count=2)
    by_role(world, topology, tls=True)
    ftpfix = balancer(world, topology)

    def talk():
        with FtplibTls() as ftp:
            role = ftp.connect(VIP, 21).split()[1].strip("()")
            ftp.login(*servers.ANONYMOUS)
            ftp.prot_p()
            equal(ftp.pwd(), "/", "the directory")
            return role
    equal(len({topology.client.call(talk) for _ in range(6)}), 1, "servers of one client")
    _sessions_end(ftpfix)
    ftpfix.stop()
