# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How connections open, end and come again, where ftpfix forwards both kinds: halves that
close alone or together, resets, a port used again, ports that run out, silence."""
import os
import socket
import threading
import time

from .. import servers
from ..balancing import balancer, network, own, real, vip
from ..cables import take_redirected, whole_checksums
from ..capture import Capture
from ..check import check, equal, raises, wait_until
from ..clients import Curl, Lftp, Tnftp
from ..control import Control, Endpoint, dial, receive_all
from ..fake_server import FakeServer, Listening, reply_227
from ..files import checksum_of
from ..forwarders import nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, every_client, scenario, transfers
from ..slow import Slow
from ..topology import (BALANCER_INSIDE, BALANCER_INSIDE6, CLIENT_DEVICE, INSIDE, SERVER_DEVICE,
                        SPARE_VIP, UPLINK, VIP, balanced, server_address)

PORT = 40000
BYTES = 1_000_000
RESET = b"\1\0\0\0\0\0\0\0"


class Talker(Listening):
    """A server's data port, served by a function of the connection."""

    def __init__(self, world, namespace, talk, port=PORT, address=server_address(0)):
        self._talk = talk
        super().__init__(world, namespace, address, port)

    def serve(self, connection, peer):
        self._talk(connection)


class Scripted:
    """A session at a server whose data port does what a scenario wants."""

    def __init__(self, world, mode, talk):
        self.topology = network(world, count=1)
        take_redirected(self.topology)
        whole_checksums(self.topology)
        FakeServer(world, self.topology.server, server_address(0),
                   {"PASV": [reply_227(server_address(0), PORT)]})
        Talker(world, self.topology.server, talk)
        raises(OSError, lambda: dial(self.topology.client, Endpoint(VIP, 21), 0.3),
               "dialling without ftpfix")
        self.ftpfix = balancer(world, self.topology, "--xdp", "native", mode=mode)
        self.control = world.keep(Control(self.topology.client, VIP))
        self.control.log_in(servers.ANONYMOUS)

    def data(self):
        return self.control.dial(self.control.passive())

    def end(self, connections):
        self.ftpfix.settle(connections)
        equal(self.control.ask("NOOP").code, 200, "the session goes on")
        self.ftpfix.stop()


def _both_modes(name):
    def add(function):
        for mode in ("nat", "fullnat"):
            scenario(f"connections: {name}, {mode}")(
                lambda world, mode=mode: function(world, mode))
        return function
    return add


def _slowly(connection, content):
    for start in range(0, BYTES, BYTES // 10):
        connection.sendall(content[start:start + BYTES // 10])
        time.sleep(0.02)


@_both_modes("the client's half closes long before the server's")
def client_half(world, mode):
    content = os.urandom(BYTES)

    def talk(connection):
        while connection.recv(1 << 16):
            pass
        _slowly(connection, content)
    scripted = Scripted(world, mode, talk)
    with scripted.data() as data:
        data.sendall(b"more\n")
        data.shutdown(socket.SHUT_WR)
        check(receive_all(data) == content, "what came after the client's half had ended")
    scripted.end(1)


@_both_modes("the server's half closes long before the client's")
def server_half(world, mode):
    content = os.urandom(BYTES)
    got = []

    def talk(connection):
        connection.shutdown(socket.SHUT_WR)
        got.append(receive_all(connection))
    scripted = Scripted(world, mode, talk)
    with scripted.data() as data:
        equal(data.recv(1), b"", "the end of the server's half")
        _slowly(data, content)
    wait_until(lambda: got, "the server has everything")
    check(got[0] == content, "what came after the server's half had ended")
    scripted.end(1)


def _kept(namespace, *query):
    """The connections that the kernel there has still, of those asked for."""
    return namespace.run("ss", "-Htan", *query).stdout.strip()


def _time_wait(namespace):
    return _kept(namespace, "state", "time-wait", f"( sport = :{PORT} or dport = :{PORT} )")


@_both_modes("both ends close at the same instant")
def closed_together(world, mode):
    accepted, done = [], threading.Event()

    def talk(connection):
        accepted.append(connection)
        done.wait(10)
    scripted = Scripted(world, mode, talk)
    ends = (scripted.topology.client, CLIENT_DEVICE), (scripted.topology.server, SERVER_DEVICE)
    data = scripted.data()
    wait_until(lambda: accepted, "the server has the connection")
    # Bytes that fill a slow device, where each FIN then waits until the other one is sent.
    for namespace, device in ends:
        namespace.run("tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", "4kbit",
                      "burst", "80", "latency", "5s")
    for one in (data, accepted[0]):
        one.sendall(b"x")
    for one in (data, accepted[0]):
        one.shutdown(socket.SHUT_WR)
    equal(receive_all(data), b"x", "what the server said")
    wait_until(lambda: all(_time_wait(namespace) for namespace, _ in ends),
               "either end is in TIME_WAIT, as after a simultaneous close")
    done.set()
    for namespace, device in ends:
        namespace.run("tc", "qdisc", "del", "dev", device, "root")
    scripted.end(1)


def _foreign(namespace, device, address):
    """Counts the packets with this source that come to a device."""
    def listen():
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        opened.bind((device, 0x0800))
        opened.setblocking(False)
        return opened
    listener = namespace.call(listen)

    def count():
        found = 0
        while True:
            try:
                frame = listener.recv(1 << 17)
            except BlockingIOError:
                return found
            found += frame[26:30] == socket.inet_aton(address)
    return count


@_both_modes("what was under way when the client reset")
def under_way(world, mode):
    done = threading.Event()

    def talk(connection):
        try:
            while True:
                connection.sendall(bytes(1 << 16))
        except OSError:
            done.set()
    scripted = Scripted(world, mode, talk)
    count = _foreign(scripted.topology.client, CLIENT_DEVICE, server_address(0))
    # What waits there has left the server's TCP.
    scripted.topology.server.run("tc", "qdisc", "add", "dev", SERVER_DEVICE, "root", "tbf", "rate",
                                 "20mbit", "burst", "20kb", "latency", "5s")
    data = scripted.data()
    data.recv(1 << 16)
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    data.close()
    wait_until(done.is_set, "the server was reset")
    scripted.topology.server.run("tc", "qdisc", "del", "dev", SERVER_DEVICE, "root")
    equal(count(), 0, "packets that the client got from the server's own address")
    scripted.end(1)


@_both_modes("a reset by the server, and one by the client")
def resets(world, mode):
    ended = []

    def talk(connection):
        if connection.recv(100) == b"you\n":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return
        try:
            connection.recv(100)
        except ConnectionResetError:
            ended.append("reset")
    scripted = Scripted(world, mode, talk)
    with scripted.data() as data:
        data.sendall(b"you\n")
        raises(ConnectionResetError, lambda: data.recv(1), "reading what the server reset")
    scripted.ftpfix.settle(1)
    data = scripted.data()
    data.sendall(b"me\n")
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    data.close()
    wait_until(lambda: ended, "the server was reset")
    scripted.end(2)


@_both_modes("the same ports again at once, control and data, the old ones in TIME_WAIT")
def again(world, mode):
    """The server ends both connections, and keeps both in TIME_WAIT."""
    topology = network(world, count=1)
    server = servers.vsftpd(world, topology.server, passive=(PORT, PORT))
    ftpfix = balancer(world, topology, mode=mode)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    control_source, data_source = (Endpoint(own(4)(0), port) for port in (50001, 50002))

    def given_up(source):
        # Until then the client's own kernel refuses to dial from there.
        wait_until(lambda: not _kept(topology.client, f"( sport = :{source.port} )"),
                   f"the last acknowledgement for {source}")
    rounds, each = 4, 2
    for _ in range(rounds):
        control = world.keep(Control(topology.client, VIP, source=control_source))
        control.log_in(server.login)
        for _ in range(each):
            content = control.transfer(control.passive(), f"RETR {SMALL}", data_source)
            equal(checksum_of(content), server.files.checksum(SMALL), "checksum")
            given_up(data_source)
        control.ask("QUIT", 221)
        raises(ConnectionError, control.line, "reading after the end")
        control.close()
        given_up(control_source)
    equal(outside.syns(), rounds * (1 + each), "SYNs, each answered at once")
    equal(ftpfix.counted("balanced established"), rounds, "control connections")
    ftpfix.settle(rounds * each)
    ftpfix.stop()


def _no_control_port(world, family, sources, last_port):
    """There are as many as two sessions need."""
    topology = network(world, count=1, family=family)
    for source in sources:
        topology.balancer.run("ip", "address", "add", source, "dev", INSIDE)
    server = servers.vsftpd(world, topology.server, family=family)
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    pool = ",".join(f"[{source}]" if ":" in source else source for source in sources)
    # Health checks would stand in the server's log, too.
    ftpfix = balancer(world, topology, "--source", f"{pool}:40000-{last_port}",
                      "--health-interval", "0", mode="fullnat", family=family)
    first, second = (Control(topology.client, vip(family)) for _ in range(2))
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    for _ in range(2):
        raises(ConnectionRefusedError, lambda: dial(topology.client, Endpoint(vip(family), 21)),
               "a third session")
    equal(outside.syns(), 2, "SYNs of the third session, each refused at once")
    equal(ftpfix.counted("balanced no_source_port"), 2, "sessions that found no port")
    # Those that are there go on, with data connections from the same addresses, which the
    # server compares, and ports.
    for control in (first, second):
        control.log_in(server.login)
        content = control.transfer(control.passive() if family == 4 else control.extended(),
                                   f"RETR {SMALL}")
        equal(checksum_of(content), server.files.checksum(SMALL), "checksum")
    equal(server.logged_clients(), set(sources), "clients in the server's log")
    openings = inside.openings()
    equal({opening.source for opening in openings}, set(sources),
          "where the data connections come from")
    check(all(40000 <= opening.source_port <= last_port for opening in openings),
          f"from their ports: {openings}")
    first.ask("QUIT", 221)
    first.close()

    def served():
        try:
            Control(topology.client, vip(family)).close()
            return True
        except OSError:
            return False
    wait_until(served, "a port that is free again is used")
    second.close()
    ftpfix.settle(2)
    ftpfix.stop()


for _name, *_pool in (("two ports, IPv4", 4, ("10.0.0.8",), 40001),
                      ("two addresses, IPv4", 4, ("10.0.0.8", "10.0.0.9"), 40000),
                      ("two addresses, IPv6", 6, ("fd00:10::8", "fd00:10::9"), 40000)):
    scenario("connections: --source runs out of ports for control connections: refused at once, "
             f"{_name}")(lambda world, one=tuple(_pool): _no_control_port(world, *one))


@scenario("connections: --source runs out of ports for data connections: refused at once")
def no_data_port(world):
    topology = balanced(world)
    nft_dnat(topology, masquerade=True)
    FakeServer(world, topology.server, server_address(0),
               {"PASV": [reply_227(server_address(0), PORT)]})
    Talker(world, topology.server, lambda connection: connection.recv(1))
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat",
                    "--source", f"{BALANCER_INSIDE}:40000-40001")
    ftpfix.mark()
    sessions = [world.keep(Control(topology.client, VIP)) for _ in range(3)]
    endpoints = [session.passive() for session in sessions]
    kept = [session.dial(endpoint) for session, endpoint in zip(sessions[:2], endpoints)]
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    raises(ConnectionRefusedError, lambda: sessions[2].dial(endpoints[2]), "a third connection")
    equal(outside.syns(), 1, "SYNs of the third connection, refused at once")
    equal(ftpfix.counted("connections no_source_port"), 1, "connections that found no port")
    equal(ftpfix.counted("packets refused"), 1, "packets refused")
    kept.pop().close()
    wait_until(lambda: ftpfix.counted("connections closed") == 1, "one has ended")
    # It is still expected, and comes again when it may.
    with sessions[2].dial(endpoints[2]):
        pass
    kept.pop().close()
    ftpfix.settle(3)
    ftpfix.stop()


def _hairpin(world, family, one_arm):
    topology = network(world, count=2, family=family, one_arm=one_arm)
    server = servers.vsftpd(world, topology.server, family=family)
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    client = topology.servers[1]
    raises(OSError, lambda: dial(client, Endpoint(vip(family), 21), 0.3),
           "dialling without ftpfix")
    # What comes from the servers' network is the servers' and the clients' there.
    both_sides = () if one_arm else ("--dev", INSIDE, "--server-dev", INSIDE)
    ftpfix = balancer(world, topology, *both_sides, mode="fullnat", family=family,
                      addresses=[real(family)(0)])
    clients = every_client(world, client, vip(family), server, (Curl, Lftp, Tnftp))
    ftpfix.settle(sum(transfers(one, server) for one in clients))
    node = BALANCER_INSIDE if family == 4 else BALANCER_INSIDE6
    equal(server.logged_clients(), {node}, "clients in the server's log")
    equal({opening.source for opening in inside.openings()}, {node},
          "the peers of the data connections at the server")
    ftpfix.stop()


for _name, *_place in (("IPv4, one arm", 4, True), ("IPv6, one arm", 6, True),
                       ("IPv4, two arms", 4, False)):
    scenario(f"connections: hairpin, client and server in one network, fullnat, {_name}")(
        lambda world, one=tuple(_place): _hairpin(world, *one))


# The sweep comes every ten seconds.
SILENCE_SECONDS = 14


def _silence(world, mode, transfers_of, options):
    topology = network(world, count=1)
    take_redirected(topology)
    whole_checksums(topology)
    server = servers.vsftpd(world, topology.server)
    ftpfix = balancer(world, topology, "--timeout", "control=2", *options, mode=mode)
    world.keep(Control(topology.client, VIP))
    running = [Slow(world, topology.client, VIP, server, 2_000_000, SILENCE_SECONDS, **how)
               for how in transfers_of]
    wait_until(lambda: ftpfix.counted("balanced timed_out"), "the idle session is ended",
               SILENCE_SECONDS)
    check(all(transfer.running() for transfer in running), "that was in mid-transfer")
    # Longer than the time allows, and their control connections are silent.
    for transfer in running:
        transfer.finish()
    wait_until(lambda: ftpfix.counted("balanced closed") == len(running),
               "the other ones ended well")
    equal(ftpfix.counted("balanced timed_out"), 1, "sessions that were ended")
    ftpfix.settle(len(running))
    equal(ftpfix.show("flows"), [], "connections that are left")
    ftpfix.stop()


_PASV, _EPSV, _PORT = {"extended": False}, {"extended": True}, {"extended": False, "active": True}
for _name, _mode, _transfers, _options in (
        ("fullnat, EPSV, XDP", "fullnat", (_EPSV,), ("--xdp", "native")),
        ("nat, PASV and PORT", "nat", (_PASV, _PORT), ()),
        ("fullnat, PASV, EPSV and PORT, another address announced, path stack", "fullnat",
         ({**_PASV, "elsewhere": True}, _EPSV, _PORT),
         ("--advertise", SPARE_VIP, "--path", "stack"))):
    scenario("connections: --timeout control: alive as long as data moves, ended in silence, "
             f"{_name}")(lambda world, one=(_mode, _transfers, _options): _silence(world, *one))
