# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A node of plain Python in the place of the wires: translates addresses and
rewrites 227 lines that come whole, rightly or with one fault. What the oracle
must notice is tried with it."""
import re

from . import packet
from .modes import FAMILIES, MODES
from .packet import ETHERNET, FIN, RST, SYN, packed

FAMILY = FAMILIES[4]
VIP, SERVER = packed(FAMILY.vip), packed(FAMILY.server)
LINE = re.compile(rb"\(10,0,0,175,(\d+),(\d+)\)\.")


def rebuilt(frame, source=None, destination=None, payload=None, patch=()):
    """The frame with other addresses, another payload, other 32-bit words of its TCP
    header (offset, difference), and right checksums."""
    ip = bytearray(frame[ETHERNET:ETHERNET + 20])
    tcp = bytearray(frame[ETHERNET + 20:])
    if payload is not None:
        tcp[(tcp[12] >> 4) * 4:] = payload
    for offset, difference in patch:
        word = int.from_bytes(tcp[offset:offset + 4], "big") + difference
        tcp[offset:offset + 4] = (word & 0xFFFFFFFF).to_bytes(4, "big")
    ip[12:16], ip[16:20] = source or ip[12:16], destination or ip[16:20]
    ip[2:4] = (20 + len(tcp)).to_bytes(2, "big")
    ip[10:12] = tcp[16:18] = b"\0\0"
    ip[10:12] = (0xFFFF - (packet.ones_sum(bytes(ip)) or 0xFFFF)).to_bytes(2, "big")
    total = packet.ones_sum(bytes(ip[12:20])) + 6 + len(tcp) + packet.ones_sum(bytes(tcp))
    tcp[16:18] = (0xFFFF - (total % 0xFFFF or 0xFFFF)).to_bytes(2, "big")
    return frame[:ETHERNET] + bytes(ip) + bytes(tcp)


class StubWire:
    macs = {"outside": (b"\2" * 6, b"\4" * 6), "inside": (b"\6" * 6, b"\x0a" * 6)}

    def __init__(self, fault=None):
        self.fault = fault
        self._queues = {"outside": [], "inside": []}
        self._holes = {}
        self._announced = 0
        self._count = 0

    def receive(self, side):
        frames, self._queues[side] = self._queues[side], []
        return frames

    def wait(self):
        return False

    def send(self, side, frame):
        segment = packet.read(frame)
        if side == "outside":
            self._inward(frame, segment)
        else:
            self._outward(frame, segment)

    def _out(self, side, frame):
        self._queues[side].append(frame)

    def _inward(self, frame, segment):
        """From the client to the server."""
        patch = ()
        if segment.destination_port != 21:
            hole = self._holes.get(segment.destination_port)
            if hole is None or self.fault == "no hole":
                return
            if self.fault == "hole elsewhere":
                patch = ((0, 1),)  # the lower half of this word is the port called
        elif self.fault == "acknowledges too much" and segment.payload:
            patch = ((8, 5),)
        elif self.fault == "SACK edges" and segment.sack:
            patch = ((24 + 12, 4000), (24 + 16, 4000))
        elif self.fault == "timestamps" and segment.timestamps and not segment.flags & SYN:
            patch = ((24, 70000),)
        elif self.fault == "command lost" and b"NOOP" in segment.payload:
            return
        elif self.fault == "reset lost" and segment.flags & RST:
            return
        self._out("inside", rebuilt(frame, destination=SERVER, patch=patch))

    def _outward(self, frame, segment):
        payload = segment.payload
        fault = self.fault
        if segment.source_port == 21 and payload:
            self._count += 1
            payload = self._reply(frame, segment, payload)
            if payload is None:
                return
        made = rebuilt(frame, source=VIP, payload=payload)
        if fault == "checksum" and payload:
            made = made[:-1] + bytes([made[-1] ^ 1])
        if fault == "stranger" and payload:
            made = rebuilt(frame, payload=payload)
        self._out("outside", made)
        if fault == "leak in a duplicate" and LINE.search(segment.payload):
            self._out("outside", rebuilt(frame, source=VIP))
        if fault == "FIN lost" and segment.flags & FIN:
            self._queues["outside"].pop()

    def _reply(self, frame, segment, payload):
        """The payload that travels on, or None when the packet is swallowed."""
        fault = self.fault
        if b"200" in payload:
            if fault == "drops a byte":
                return payload.replace(b" ok", b"ok")
            if fault == "changes a byte":
                return payload.replace(b"ok", b"oK")
            if fault == "adds a byte":
                return payload + b"\n"
        if fault == "acknowledges and loses" and payload.startswith(b"227"):
            answer = packet.Path(self.macs["inside"], segment.destination, segment.source,
                                 segment.destination_port, segment.source_port)
            stamps = segment.timestamps and (segment.timestamps[1], segment.timestamps[0])
            self._out("inside", answer.frame(
                segment.acknowledgement, segment.sequence + len(payload), packet.ACK, 500,
                packet.options_of(stamps)))
            return None
        if fault == "swallows the head once" and payload.startswith(b"227") and \
                not payload.endswith(b"\n"):
            self.fault = None
            return None
        found = LINE.search(payload)
        if not found or fault == "leak":
            return payload
        self._announced += 1
        if fault == "leak when sent again" and self._announced > 1:
            return payload
        return self._rewritten(payload, found)

    def _rewritten(self, payload, found):
        high, low = int(found[1]), int(found[2])
        if self.fault == "other bytes when sent again":
            low = (low + self._announced - 1) % 90 + 10
        if self.fault == "port outside of the range":
            high = 40
        address = b"203,0,113,5"
        if self.fault == "another address":
            address = b"203,0,113,6"
        self._holes[high * 256 + low] = True
        text = b"(%s,%d,%d)" % (address, high, low)
        if self.fault == "leading zero":
            text = b"(%s,0%d,%d)" % (address, high, low // 10)
        return payload[:found.start()] + text + payload[found.end():]


class StubLab:
    """In the place of a lab."""
    helper = "ftpfix"
    mode = MODES[0]

    def __init__(self, fault=None):
        self.wire = StubWire(fault)
