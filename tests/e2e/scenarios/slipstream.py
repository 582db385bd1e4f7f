# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients inside whose browser is made to send what a stranger wrote to a control
port outside ("NAT slipstreaming"): it may hold a PORT at the start of a segment,
and must open nothing toward that client."""
import re
import socket
import struct
import threading
import time

from ..check import Failed, check, equal, wait_until
from ..control import LOST_TIMEOUT, Endpoint, dial, read_port, receive_all
from ..fake_server import DataServer
from ..forwarders import KernelHelper
from ..ftpfix import Ftpfix
from ..scenario import scenario
from ..topology import BALANCER_OUTSIDE, UPLINK
from ..topology_inside import SERVER_OUTSIDE, clients_inside, inside_address


def ones_sum(data):
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


VICTIM = inside_address(0)
SECRET_PORT = 40000
PORT = f"PORT {VICTIM.replace('.', ',')},{SECRET_PORT >> 8},{SECRET_PORT & 255}\r\n".encode()
EPRT = f"EPRT |1|{VICTIM}|{SECRET_PORT}|\r\n".encode()
POST = (b"POST /upload HTTP/1.1\r\nHost: files.example:21\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 1000\r\n\r\n")
# A record whose session ticket, which the server chose, holds what it likes.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(128, 160))
TURN = b"\x00\x03\x00\x08\x21\x12\xa4\x42" + b"ABCDEFGHIJKL"

# What the browser sends before the stranger's words, and with which pieces; each
# piece is a segment.
WAYS = {
    "each line a segment": [POST, PORT, EPRT],
    "all in one segment": [POST + PORT + EPRT],
    "cut within the words": [POST, PORT[:2], PORT[2:30], PORT[30:] + EPRT[:3], EPRT[3:]],
    "cut within the first word": [POST[:2], POST[2:], PORT, EPRT],
    "byte by byte": [*(POST[place:place + 1] for place in range(6)), POST[6:],
                     *(PORT[place:place + 1] for place in range(len(PORT))), EPRT],
    "GET": [b"GET / HTTP/1.1\r\nX: y\r\n\r\n", PORT, EPRT],
    "OPTIONS": [b"OPTIONS / HTTP/1.1\r\nX: y\r\n\r\n", PORT, EPRT],
    "an empty line first": [b"\r\n" + POST, PORT, EPRT],
    "TLS, the words alone in segments": [HELLO, PORT, EPRT],
    "TLS, one segment": [HELLO + b"\r\n" + PORT + EPRT],
    "TLS, its first bytes apart": [HELLO[:1], HELLO[1:], PORT, EPRT],
    "TLS, a login in it": [HELLO, b"USER a\r\n", PORT, EPRT],
    "TURN": [TURN, b"\r\n" + PORT, EPRT],
}


class Stranger:
    """The stranger's server: keeps what it gets, byte for byte, and answers."""

    def __init__(self, world, namespace):
        self._socket = namespace.call(
            lambda: socket.create_server((SERVER_OUTSIDE, 21), backlog=16))
        self._namespace = namespace
        self.got = b""
        self.peer = None
        self._raw = None
        world.keep(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, self.peer = self._socket.accept()
            except OSError:
                return
            self.got = b""
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with connection:
            while part := connection.recv(1 << 16):
                self.got += part

    def inject(self, flags, sequence=1000, acknowledgement=2000, payload=b"", stamps=None):
        """Sends the client's side a segment that its own TCP knows nothing of."""
        options = b"\1\1\x08\x0a" + struct.pack("!II", *stamps) if stamps else b""
        tcp = struct.pack("!HHIIBBHHH", 21, self.peer[1], sequence, acknowledgement,
                          (20 + len(options)) // 4 << 4, flags, 500, 0, 0) + options + payload
        total = ones_sum(socket.inet_aton(SERVER_OUTSIDE) + socket.inet_aton(self.peer[0]) +
                         struct.pack("!HH", 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack("!H", ~total & 0xFFFF) + tcp[18:]

        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
                raw.sendto(tcp, (self.peer[0], 0))
        self._namespace.call(send)

    def listen(self):
        """Hears from here on what segments bring: see last_segment()."""
        self._raw = self._namespace.call(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
        self._raw.settimeout(0.2)

    def last_segment(self):
        """Of the client's newest one: what follows it, what it acknowledges, its stamps."""
        last = None
        try:
            while True:
                packet = self._raw.recv(1 << 16)
                tcp = packet[(packet[0] & 15) * 4:]
                if tcp[2:4] == struct.pack("!H", 21):
                    last = tcp
        except TimeoutError:
            pass
        sequence, acknowledgement = struct.unpack("!II", last[4:12])
        header = (last[12] >> 4) * 4
        # As Linux writes them in every segment after the first ones.
        stamps = last[20:header].split(b"\1\1\x08\x0a")[1][:8]
        return (sequence + len(last) - header & 0xFFFFFFFF, acknowledgement,
                struct.unpack("!II", stamps))

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        finally:
            self._socket.close()
            if self._raw:
                self._raw.close()


class Site:
    def __init__(self, world):
        self.topology = clients_inside(world)
        self.stranger = Stranger(world, self.topology.server)
        # A service of the client's that nobody outside may reach.
        self.secret = DataServer(world, self.topology.client, VICTIM, SECRET_PORT, 1000)

    def browse(self, pieces, between=None, then=None):
        """Each piece arrives before the next is sent; returns what did arrive. `then` is called
        with it while the session lasts."""
        connection = dial(self.topology.client, Endpoint(SERVER_OUTSIDE, 21))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            sent = 0
            for number, piece in enumerate(pieces):
                if number and between:
                    between()
                connection.sendall(piece)
                sent += len(piece)
                if len(piece) > 1 and number < len(pieces) - 1:
                    wait_until(lambda: len(self.stranger.got) >= sent - 60, "the segment came")
            # Whoever rewrites it may make it a little shorter.
            wait_until(lambda: len(self.stranger.got) >= sent - 8 and
                       self.stranger.got.endswith(pieces[-1][-1:]), "everything came")
            if then:
                then(self.stranger.got)
            return self.stranger.got

    def reaches(self, endpoint):
        """Whether the stranger gets at the client's secret."""
        try:
            return receive_all(dial(self.topology.server, endpoint, LOST_TIMEOUT)) == \
                self.secret.content
        except OSError:
            return False


@scenario("slipstream: the kernel's helper opens the client's port to the stranger")
def kernel(world):
    site = Site(world)
    helper = KernelHelper(site.topology)
    got = site.browse(WAYS["each line a segment"][:2])
    told = re.search(rb"PORT [\d,]+", got).group().decode()
    equal(read_port(told).address, BALANCER_OUTSIDE, "what the stranger is told")
    check(site.reaches(read_port(told)), "the client's port is open")
    helper.stop()


def _opens_nothing(world, pieces):
    site = Site(world)
    ftpfix = Ftpfix(world, site.topology.balancer, "--dev", UPLINK, "--clients", "inside")
    ftpfix.mark()

    def then(got):
        equal(got, b"".join(pieces), "what arrived at the stranger's")
        equal(ftpfix.show("expected"), [], "expectations")
        check(not site.reaches(Endpoint(BALANCER_OUTSIDE, SECRET_PORT)), "the port is closed")
    site.browse(pieces, then=then)
    equal(ftpfix.counted("connections expected"), 0, "connections expected")
    equal(site.secret.peers, [], "who came to the client's port")
    if not pieces[0].startswith(HELLO[:1]):
        ftpfix.announced(foreign=2)
    ftpfix.stop()


for _way, _pieces in WAYS.items():
    scenario(f"slipstream: {_way}: opens nothing")(
        lambda world, pieces=_pieces: _opens_nothing(world, pieces))


FIN, SYN, RST, ACK = 1, 2, 4, 16


def _injected(world, flags):
    """The stranger tries to make the node forget how the session began."""
    site = Site(world)
    pieces = WAYS["each line a segment"]
    ftpfix = Ftpfix(world, site.topology.balancer, "--dev", UPLINK, "--clients", "inside")
    ftpfix.mark()
    inject = site.stranger.inject

    def between():
        inject(flags)
        time.sleep(0.1)
    try:
        site.browse(pieces, between)
    except (Failed, OSError):
        pass  # the connection may end of it
    equal(ftpfix.counted("connections expected"), 0, "connections expected")
    equal(ftpfix.show("expected"), [], "expectations")
    check(not site.reaches(Endpoint(BALANCER_OUTSIDE, SECRET_PORT)), "the port is closed")
    equal(site.secret.peers, [], "who came to the client's port")
    ftpfix.stop()


for _name, _flags in (("SYN/ACK", SYN | ACK), ("SYN", SYN), ("RST", RST), ("RST/ACK", RST | ACK),
                      ("FIN", FIN | ACK)):
    scenario(f"slipstream: the stranger sends a {_name} in between: opens nothing")(
        lambda world, flags=_flags: _injected(world, flags))


@scenario("slipstream: data and a reset that the client does not take: opens nothing")
def reset_not_taken(world):
    """An old timestamp makes the client discard the data (RFC 7323 section 5), so that
    the reset behind it is not at the byte that it awaits (RFC 5961 section 3.2)."""
    site = Site(world)
    pieces = WAYS["each line a segment"]
    ftpfix = Ftpfix(world, site.topology.balancer, "--dev", UPLINK, "--clients", "inside")
    ftpfix.mark()
    stranger, text = site.stranger, b"200 ok\r\n"
    stranger.listen()

    def between():
        ours, own, (value, echo) = stranger.last_segment()
        stranger.inject(ACK, own, ours, text, ((echo - 100_000) & 0xFFFFFFFF, value))
        time.sleep(0.1)
        stranger.inject(RST, own + len(text) & 0xFFFFFFFF, ours)
        time.sleep(0.1)
    site.browse(pieces, between)
    equal(ftpfix.counted("connections expected"), 0, "connections expected")
    check(not site.reaches(Endpoint(BALANCER_OUTSIDE, SECRET_PORT)), "the port is closed")
    equal(site.secret.peers, [], "who came to the client's port")
    ftpfix.stop()


@scenario("slipstream: a session that was open before ftpfix came is not judged by its middle")
def taken_up(world):
    site = Site(world)
    started = []

    def between():
        if not started:
            started.append(Ftpfix(world, site.topology.balancer, "--dev", UPLINK,
                                  "--clients", "inside"))
    site.browse(WAYS["each line a segment"], between)
    equal(started[0].counted("connections expected"), 0, "connections expected")
    check(not site.reaches(Endpoint(BALANCER_OUTSIDE, SECRET_PORT)), "the port is closed")
    started[0].stop()


@scenario("slipstream: --allow foreign follows it")
def allowed(world):
    site = Site(world)
    ftpfix = Ftpfix(world, site.topology.balancer, "--dev", UPLINK, "--clients", "inside",
                    "--allow", "foreign")

    def then(got):
        told = re.search(rb"PORT [\d,]+", got).group().decode()
        check(site.reaches(read_port(told)), "the client's port is open")
    site.browse(WAYS["each line a segment"][:2], then=then)
    ftpfix.stop()
