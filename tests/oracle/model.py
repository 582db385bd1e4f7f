# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A node of plain Python that rewrites replies wherever they are cut: it keeps
the head of a line back, lets the sender go on by an acknowledgement, and adjusts
sequence numbers. It shows that the oracle accepts a node that is right."""
import re
import struct

from . import packet
from .packet import ACK, FIN, PSH, RST, SYN, signed
from .stub import SERVER, VIP, StubWire, rebuilt

PAYLOAD_MAX = 1400
LINE_227 = re.compile(rb"(.*?)10,0,0,175,(\d+),(\d+)(?![\d,])(.*)", re.DOTALL)
LINE_229 = re.compile(rb"(.*\(\|\|\|)(\d+)(\|\).*)", re.DOTALL)
CODES = (b"227", b"229")


class Mapping:
    """The reply stream as the server sends it and as the client gets it."""

    def __init__(self, first, rewrite):
        self.first = first          # sequence number of offset 0
        self._rewrite = rewrite
        self.original, self.out = bytearray(), bytearray()
        self.decided = 0            # up to here the output stands fixed
        self._kept_back = -1        # the line that begins here was kept back
        self._edits = []            # (start, end) in the original, (start, end) in the output

    def extend(self, start, payload):
        """Takes what is new; returns whether nothing is missing in front of it."""
        here = len(self.original)
        if start > here:
            return False
        self.original += payload[here - start:] if start + len(payload) > here else b""
        while (newline := self.original.find(b"\n", self.decided)) >= 0:
            self.decide(newline + 1, True)
        rest = bytes(self.original[self._line_start():])
        if rest and not any(rest.startswith(code[:len(rest)]) for code in CODES):
            self.decide(len(self.original), False)
        if self.decided < len(self.original):
            self._kept_back = self.decided
        return True

    def _line_start(self):
        return self.original.rfind(b"\n") + 1

    def decide(self, end, whole):
        text = bytes(self.original[self.decided:end])
        if whole and text.startswith(CODES) and \
                self.original[self.decided - 1:self.decided] in (b"", b"\n"):
            new = self._rewrite(text)
        else:
            new = text
        # What was kept back may be acknowledged: it must come whole with its tail.
        if new != text or self._kept_back == self.decided:
            self._edits.append((self.decided, end, len(self.out), len(self.out) + len(new)))
        self.out += new
        self.decided = end

    def to_out(self, offset, upward):
        """An offset of the original in the output; within an edit its one end."""
        shift = 0
        for start, end, out_start, out_end in self._edits:
            if offset <= start:
                break
            if offset < end:
                return out_end if upward else out_start
            shift = out_end - end
        return offset + shift

    def to_original(self, offset, upward=False):
        if offset >= len(self.out) and not upward:
            # What was kept back is acknowledged with what is in front of it.
            return offset - len(self.out) + len(self.original)
        shift = 0
        for start, end, out_start, out_end in self._edits:
            if offset <= out_start:
                break
            if offset < out_end:
                return end if upward else start
            shift = end - out_end
        return offset + shift


class ModelWire(StubWire):
    def __init__(self):
        super().__init__()
        self._mapping = None

    def _rewrite(self, text):
        if text.startswith(b"227"):
            found = LINE_227.fullmatch(text)
            if not found or int(found[2]) < 4 or max(int(found[2]), int(found[3])) > 255:
                return text
            high, low = int(found[2]), int(found[3])
            public = self._public(high * 256 + low)
            return b"%s203,0,113,5,%d,%d%s" % (found[1], public >> 8, public & 255, found[4])
        found = LINE_229.fullmatch(text)
        if not found or not 1024 <= int(found[2]) <= 65535:
            return text
        return b"%s%d%s" % (found[1], self._public(int(found[2])), found[3])

    def _public(self, port):
        public = port if 20000 <= port <= 29999 else 20000 + port % 10000
        self._holes[public] = port
        return public

    def send_large(self, side, frame, header, size, v6):
        """As segmentation offload would send it."""
        length = len(frame) - packet.ETHERNET - header
        for start in range(0, length, size):
            piece = frame[packet.ETHERNET + header + start:][:size]
            self.send(side, rebuilt(frame, payload=piece, patch=((4, start),)))

    def _inward(self, frame, segment):
        if segment.destination_port != 21:
            port = self._holes.get(segment.destination_port)
            if port is not None:
                self._called = segment.destination_port
                self._out("inside", rebuilt(frame, destination=SERVER, patch=(
                    (0, port - segment.destination_port),)))
            return
        if segment.flags & (SYN | RST) or self._mapping is None:
            self._out("inside", rebuilt(frame, destination=SERVER))
            return
        made = self._acknowledging(frame, segment)
        self._out("inside", rebuilt(made, destination=SERVER))

    def _acknowledging(self, frame, segment):
        """With what the client acknowledges, in the server's numbers."""
        seen = signed(segment.acknowledgement - self._mapping.first)
        meant = self._mapping.to_original(seen)
        if segment.sack:
            frame = self._sack(frame, segment)
        return rebuilt(frame, patch=((8, meant - seen),))

    def _sack(self, frame, segment):
        """Blocks end at the edges of edits. One that would be empty is overwritten."""
        tcp = bytearray(frame[packet.ETHERNET + 20:])
        size = 8 * len(segment.sack)
        place = bytes(tcp).index(struct.pack("!BB", 5, size + 2) + struct.pack(
            "!II", *segment.sack[0]), 20)
        blocks = []
        for block in segment.sack:
            left, right = (signed(edge - self._mapping.first) for edge in block)
            left, right = (self._mapping.to_original(left, True),
                           self._mapping.to_original(right) if right <= len(
                               self._mapping.out) else right)
            if left < right:
                blocks.append(struct.pack("!II", self._mapping.first + left & 0xFFFFFFFF,
                                          self._mapping.first + right & 0xFFFFFFFF))
        option = struct.pack("!BB", 5, 2 + 8 * len(blocks)) + b"".join(blocks) if blocks else b""
        tcp[place:place + size + 2] = option.ljust(size + 2, b"\1")
        return frame[:packet.ETHERNET + 20] + bytes(tcp)

    def _outward(self, frame, segment):
        if segment.source_port != 21:
            self._out("outside", rebuilt(frame, source=VIP, patch=(
                (0, self._called - segment.source_port << 16),)))
            return
        if segment.flags & SYN:
            self._mapping = Mapping(segment.sequence + 1 & 0xFFFFFFFF, self._rewrite)
            self._out("outside", rebuilt(frame, source=VIP))
            return
        start = signed(segment.sequence - self._mapping.first)
        if segment.flags & RST:
            start = min(start, self._mapping.decided)
            self._out("outside", rebuilt(frame, source=VIP, payload=b"", patch=(
                (4, self._mapping.first + self._mapping.to_out(start, True) -
                 segment.sequence),)))
            return
        self._data(frame, segment, start)

    def _data(self, frame, segment, start):
        mapping = self._mapping
        end = start + len(segment.payload)
        if segment.payload and start >= 0 and not mapping.extend(start, segment.payload):
            return  # it comes again when what is in front of it has come
        low = mapping.to_out(min(start, mapping.decided), False)
        high = mapping.to_out(min(end, mapping.decided), True)
        if not segment.payload and start > len(mapping.original):
            low = high = high + 1  # behind its FIN
        fin = segment.flags & FIN
        if fin and end > mapping.decided:
            mapping.decide(end, False)
            high = mapping.to_out(end, True)
        if segment.payload and start >= 0 and low == high and not fin:
            low = high - 1  # a byte that the client has: it acknowledges
        for at in range(low, max(high, low + 1), PAYLOAD_MAX):
            until = min(high, at + PAYLOAD_MAX)
            made = rebuilt(frame, source=VIP, payload=bytes(mapping.out[max(at, 0):max(until, 0)]),
                           patch=((4, at - start),))
            if fin and until < high:
                made = _without_fin(made)
            self._out("outside", made)


def _without_fin(frame):
    place = packet.ETHERNET + 20 + 13
    return rebuilt(frame[:place] + bytes([frame[place] & ~FIN | PSH | ACK]) + frame[place + 1:])


class ModelLab:
    """In the place of a lab."""
    helper = "ftpfix"

    def __init__(self, mode):
        self.mode = mode
        self.wire = ModelWire()
