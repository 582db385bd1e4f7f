# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Listens on an interface for the lines of control connections, to show what
each side of ftpfix really got. Knows Ethernet, IPv4 and TCP, no more."""
import ctypes
import socket
import struct

from .check import equal

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_STATISTICS = 6
BUFFER_BYTES = 32 << 20
# Of the announcements and refusals, for a scenario that failed.
DESCRIBED_LINES = 30


def _port_filter(port):
    """Classic BPF: IPv4 TCP, no later fragment, either port is `port`."""
    code = [
        (0x28, 0, 0, 12),           # ldh [12]: the Ethernet type
        (0x15, 0, 9, 0x0800),
        (0x30, 0, 0, 23),           # ldb [23]: the protocol
        (0x15, 0, 7, 6),
        (0x28, 0, 0, 20),           # ldh [20]: the fragment offset
        (0x45, 5, 0, 0x1FFF),
        (0xB1, 0, 0, 14),           # ldx the length of the IPv4 header
        (0x48, 0, 0, 14),           # ldh [x + 14]: the source port
        (0x15, 3, 0, port),
        (0x48, 0, 0, 16),           # ldh [x + 16]: the destination port
        (0x15, 1, 0, port),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0x40000),
    ]
    instructions = b"".join(struct.pack("HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(instructions)
    program = struct.pack("HL", len(code), ctypes.addressof(buffer))
    return program, buffer


class Capture:
    """The segments of one control port on one interface, both directions.

    They wait in the socket until someone looks. A segment is there before the
    receiver's TCP has it, so that a look after a reply came sees that reply.
    """

    def __init__(self, namespace, device, port=21):
        self.name = f"{namespace.role} {device}"
        self.port = port
        self._segments = []  # (source port, payload)
        self._socket = namespace.call(lambda: self._open(device))

    def _open(self, device):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        program, _buffer = _port_filter(self.port)
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
        packet = packet[:struct.unpack_from("!H", packet, 2)[0]]
        segment = packet[(packet[0] & 15) * 4:]
        payload = segment[(segment[12] >> 4) * 4:]
        if payload:
            self._segments.append((struct.unpack_from("!H", segment)[0], payload))

    def forget(self):
        """Looks from here on."""
        self._drain()
        self._segments.clear()

    def lines(self, *codes):
        """What the server said, line by line; with codes only these replies."""
        self._drain()
        said = b"".join(payload for port, payload in self._segments if port == self.port)
        lines = [line.rstrip("\r") for line in said.decode("ascii", "replace").split("\n")]
        return [line for line in lines if line and (not codes or line.startswith(codes))]

    def announcements(self):
        return self.lines("227 ", "229 ")

    def close(self):
        self._socket.close()

    def describe(self):
        return [f"on {self.name}: {line}"
                for line in self.lines("227", "229", "4", "5")[-DESCRIBED_LINES:]]
