# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Listens on an interface for the lines of control connections, to show what
each side of ftpfix really got, and for who opens connections to whom. Knows
Ethernet, IPv4, IPv6 and TCP, no more."""
import ctypes
import ipaddress
import socket
import struct
from dataclasses import dataclass

from .check import equal

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_STATISTICS = 6
BUFFER_BYTES = 32 << 20
# Of the announcements and refusals, for a scenario that failed.
DESCRIBED_LINES = 30


IPV4, IPV6 = 0x0800, 0x86DD
SYN, ACK = 0x02, 0x10


def _filter(port):
    """Classic BPF: TCP, no later fragment and no extension header, of which
    either port is `port` or which opens a connection."""
    code = [
        (0x28, 0, 0, 12),           # ldh [12]: the Ethernet type
        (0x15, 0, 6, IPV4),
        (0x30, 0, 0, 23),           # ldb [23]: the protocol
        (0x15, 0, 14, 6),
        (0x28, 0, 0, 20),           # ldh [20]: the fragment offset
        (0x45, 12, 0, 0x1FFF),
        (0xB1, 0, 0, 14),           # ldx the length of the IPv4 header
        (0x05, 0, 0, 4),
        (0x15, 0, 9, IPV6),
        (0x30, 0, 0, 20),           # ldb [20]: the next header
        (0x15, 0, 7, 6),
        (0x01, 0, 0, 40),           # ldx the length of the IPv6 header
        (0x48, 0, 0, 14),           # ldh [x + 14]: the source port
        (0x15, 5, 0, port),
        (0x48, 0, 0, 16),           # ldh [x + 16]: the destination port
        (0x15, 3, 0, port),
        (0x50, 0, 0, 27),           # ldb [x + 27]: the flags
        (0x45, 1, 0, SYN),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0x40000),
    ]
    instructions = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(instructions)
    program = struct.pack("HL", len(code), ctypes.addressof(buffer))
    return program, buffer


@dataclass(frozen=True)
class Opening:
    """The first segment of a connection: who dialled whom."""
    source: str
    source_port: int
    target: str
    target_port: int


def _lines(payload):
    return [line.rstrip("\r") for line in payload.decode("ascii", "replace").split("\n")]


class Capture:
    """The segments of one control port on one interface, both directions.

    They wait in the socket until someone looks. A segment is there before the
    receiver's TCP has it, so that a look after a reply came sees that reply.
    """

    def __init__(self, namespace, device, port=21):
        self.name = f"{namespace.role} {device}"
        self.port = port
        self._segments = []  # (source port, target port, payload)
        self._openings = {}  # Opening -> its SYNs, in the order of the first ones
        self._socket = namespace.call(lambda: self._open(device))

    def _open(self, device):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        program, _buffer = _filter(self.port)
        opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        opened.bind((device, ETH_P_ALL))
        opened.setblocking(False)
        return opened

    def _drain(self):
        while True:
            try:
                self._keep(self._socket.recv(1 << 18))
            except BlockingIOError:
                break
        _packets, drops = struct.unpack(
            "II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        equal(drops, 0, f"segments lost by the capture on {self.name}")

    def _keep(self, frame):
        packet = frame[14:]
        if packet[0] >> 4 == 4:
            packet = packet[:struct.unpack_from("!H", packet, 2)[0]]
            source, target = packet[12:16], packet[16:20]
            segment = packet[(packet[0] & 15) * 4:]
        else:
            packet = packet[:40 + struct.unpack_from("!H", packet, 4)[0]]
            source, target = packet[8:24], packet[24:40]
            segment = packet[40:]
        source_port, target_port = struct.unpack_from("!HH", segment)
        if segment[13] & (SYN | ACK) == SYN:
            opening = Opening(str(ipaddress.ip_address(source)), source_port,
                              str(ipaddress.ip_address(target)), target_port)
            self._openings[opening] = self._openings.get(opening, 0) + 1
        payload = segment[(segment[12] >> 4) * 4:]
        if payload and self.port in (source_port, target_port):
            self._segments.append((source_port, target_port, payload))

    def forget(self):
        """Looks from here on."""
        self._drain()
        self._segments.clear()
        self._openings.clear()

    def lines(self, *codes):
        """What the server said, line by line; with codes only these replies."""
        return self._said(True, codes)

    def commands(self, *verbs):
        """What the clients said, line by line; with verbs only these commands."""
        return self._said(False, verbs)

    def _said(self, by_server, starts):
        self._drain()
        said = b"".join(payload for port, _, payload in self._segments
                        if (port == self.port) == by_server)
        return [line for line in _lines(said) if line and (not starts or line.startswith(starts))]

    def stream(self, by_server):
        """What the server or the clients said, byte for byte."""
        self._drain()
        return b"".join(payload for port, _, payload in self._segments
                        if (port == self.port) == by_server)

    def sessions(self):
        """For each control connection what was said in it, in order: commands as
        they are, replies with "< " before them."""
        self._drain()
        said = {}
        for source, target, payload in self._segments:
            by_server = source == self.port
            said.setdefault(target if by_server else source, []).extend(
                f"< {line}" if by_server else line for line in _lines(payload) if line)
        return list(said.values())

    def openings(self):
        """The data connections that someone tried to open, in order."""
        self._drain()
        return [opening for opening in self._openings if opening.target_port != self.port]

    def syns(self):
        """How many came, of control connections too: more than there were dials when one
        had to be sent again."""
        self._drain()
        return sum(self._openings.values())

    def announcements(self):
        return self.lines("227 ", "229 ")

    def announced_by_client(self):
        return self.commands("PORT ", "EPRT ")

    def close(self):
        self._socket.close()

    def describe(self):
        said = self.announced_by_client() + self.lines("227", "229", "4", "5")
        return [f"on {self.name}: {line}" for line in
                [*said[-DESCRIBED_LINES:], *map(str, self.openings()[-DESCRIBED_LINES:])]]
