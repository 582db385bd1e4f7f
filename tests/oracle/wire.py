# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The two wires of the node, outside and inside: frames go in at one and come
out at the other. Knows nothing of what the frames say."""
import ctypes
import select
import socket
import struct

SIDES = ("outside", "inside")

SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3
BUFFER_BYTES = 8 << 20
# Delivery is done when send() returns, unless the kernel put it off: it is given this
# much longer, and more where a packet that is late would change the verdict.
GRACE_SECONDS, PATIENT_SECONDS = 0.0004, 0.05

GSO_TCPV4, GSO_TCPV6, NEEDS_CHECKSUM = 1, 4, 1
_OFFLOAD = struct.Struct("=BBHHHH")


def _tcp_filter():
    """Classic BPF: IPv4 or IPv6 with TCP at once behind it, nothing else."""
    code = [
        (0x28, 0, 0, 12),           # ldh [12]: the Ethernet type
        (0x15, 0, 2, 0x0800),
        (0x30, 0, 0, 23),           # ldb [23]: the protocol of IPv4
        (0x15, 3, 4, 6),
        (0x15, 0, 3, 0x86DD),
        (0x30, 0, 0, 20),           # ldb [20]: the next header of IPv6
        (0x15, 0, 1, 6),
        (0x06, 0, 0, 0x40000),
        (0x06, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *one) for one in code), len(code)


def _open(device, bound=True):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if not bound:
        opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        opened.bind((device, 0))
        return opened
    code, count = _tcp_filter()
    buffer = ctypes.create_string_buffer(code)
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                      struct.pack("HL", count, ctypes.addressof(buffer)))
    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    opened.bind((device, ETH_P_ALL))
    opened.setblocking(False)
    return opened


class Wire:
    """Sockets on the ends of both wires. `ends` maps a side to the namespace and
    the device at its end, and to the addresses (its own, the node's) of Ethernet."""

    def __init__(self, ends):
        self.macs = {side: end[2] for side, end in ends.items()}
        self._sockets, self._large = {}, {}
        self.patient = False
        for side, (namespace, device, _) in ends.items():
            self._sockets[side] = namespace.call(lambda device=device: _open(device))
            self._large[side] = namespace.call(lambda device=device: _open(device, False))

    def send(self, side, frame):
        self._sockets[side].send(frame)

    def send_large(self, side, frame, header, size, v6):
        """Sends one packet that stands for several of `size` bytes of payload, its
        checksum unfinished, its data in fragments: as after GRO."""
        linear = header + 14
        self._large[side].send(_OFFLOAD.pack(
            NEEDS_CHECKSUM, GSO_TCPV6 if v6 else GSO_TCPV4, linear, size,
            14 + (40 if v6 else 20), 16) + frame)

    def receive(self, side):
        """The frames that have arrived there."""
        frames, take = [], self._sockets[side].recv
        try:
            while True:
                frames.append(take(1 << 17))
        except BlockingIOError:
            return frames

    def wait(self):
        """Gives frames that are late a moment; returns whether some came."""
        grace = PATIENT_SECONDS if self.patient else GRACE_SECONDS
        return bool(select.select(self._sockets.values(), (), (), grace)[0])

    def close(self):
        for opened in (*self._sockets.values(), *self._large.values()):
            opened.close()
