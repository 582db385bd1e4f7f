# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One end of a TCP connection in virtual time: what it sends when it is told to,
and what it answers to a segment. It neither retransmits by itself nor waits:
that is flight.py's. It complains of everything a peer may not do."""
from dataclasses import dataclass

from . import packet
from .packet import ACK, FIN, RST, SEQUENCE_MASK, SYN, signed
from .receiver import Corrupted, Receiver


class Wrong(Exception):
    """What no correct path between two ends does."""


@dataclass(frozen=True)
class Traits:
    """How one end does TCP."""
    sequence: int = 1_000_000
    timestamps: bool = True
    sack: bool = True
    scale: int | None = 7
    mss: int = 1460
    buffer: int = 64000
    delayed: bool = True        # acknowledges every other segment at once


class End:
    def __init__(self, name, side, path, traits):
        self.name, self.side, self.path, self.traits = name, side, path, traits
        self.receiver = Receiver(traits.buffer)
        self.peer = None                # the peer's first sequence number
        self.stream = bytearray()       # all that its application wrote
        self.acknowledged = 0           # offsets: what the peer has, as far as it said
        self.sent = 0                   # and what was sent
        self.finish = None              # offset of its FIN, once sent
        self.edge = 0                   # right edge of the window it may send in
        self.sacked = ()
        self.duplicates = 0
        self.due = False                # an acknowledgement is delayed
        self.reset = False              # it got a valid reset
        self.aborted = False            # it sent one: there is no connection any more
        self.timestamps = traits.timestamps
        self.sack = traits.sack
        self.scale = traits.scale or 0
        self.peer_scale = 0
        self.mss = traits.mss
        self.clock = traits.sequence >> 3 & SEQUENCE_MASK
        self.clock_first = self.clock
        self.recent = 0                 # the peer's timestamp to be echoed

    # What it sends.

    def _stamps(self):
        if not self.timestamps:
            return None
        self.clock += 1
        return self.clock & SEQUENCE_MASK, self.recent

    def _window(self):
        return min(self.receiver.window() >> self.scale, 0xFFFF)

    def _sequence(self, offset):
        return self.traits.sequence + 1 + offset & SEQUENCE_MASK

    def _acknowledging(self):
        return self.peer + 1 + self.receiver.next & SEQUENCE_MASK

    def segment(self, start, end, flags=0, partial=False):
        """The frame with its bytes from start to end, and its acknowledgement."""
        payload = bytes(self.stream[max(start, 0):end])
        if start < 0:
            payload = b"\0" * min(-start, end - start) + payload
        self.due = False
        self.sent = max(self.sent, end)
        if flags & FIN:
            self.finish = end
        return self.path.frame(self._sequence(start), self._acknowledging(), ACK | flags,
                               self._window(), packet.options_of(self._stamps()), payload,
                               partial)

    def acknowledge(self):
        self.due = False
        blocks = [tuple(self.peer + 1 + edge & SEQUENCE_MASK for edge in block)
                  for block in self.receiver.waiting] if self.sack else ()
        return self.path.frame(self._sequence(self.top()), self._acknowledging(), ACK,
                               self._window(), packet.options_of(self._stamps(), blocks))

    def top(self):
        """Offset behind everything sent."""
        return self.sent + (self.finish is not None)

    def abort(self, payload=b"", sequence=None):
        """A reset; an application may have put data into it (RFC 9293 section 3.10.7)."""
        flags = RST | (ACK if self.peer is not None else 0)
        return self.path.frame(self._sequence(self.top() if sequence is None else sequence),
                               self._acknowledging() if self.peer is not None else 0,
                               flags, 0, b"", payload)

    def refuse(self, segment):
        """What a host sends that knows of no such connection (RFC 9293 section 3.10.7.1)."""
        return self.path.frame(segment.acknowledgement, 0, RST, 0)

    def payload_limit(self):
        return self.mss - (12 if self.timestamps else 0)

    # The handshake.

    def open(self, answer):
        """The frame of its SYN or SYN/ACK."""
        stamps = self._stamps()
        flags = SYN | ACK if answer else SYN
        options = packet.syn_options(self.traits.mss, self.sack, stamps,
                                     self.scale if self.traits.scale is not None else None)
        return self.path.frame(self.traits.sequence & SEQUENCE_MASK,
                               self.peer + 1 & SEQUENCE_MASK if answer else 0, flags,
                               min(self.receiver.window(), 0xFFFF), options)

    def opened(self, segment, answer):
        """Takes the peer's SYN or SYN/ACK."""
        expected = SYN | ACK if answer else SYN
        if segment.flags != expected:
            raise Wrong(f"{self.name}: flags {segment.flags:#x} in the handshake")
        if answer and segment.acknowledgement != self._sequence(0):
            raise Wrong(f"{self.name}: the SYN/ACK acknowledges {segment.acknowledgement}")
        self.peer = segment.sequence
        self.timestamps = self.timestamps and segment.timestamps is not None
        self.sack = self.sack and segment.sack_permitted
        if segment.scale is None or self.traits.scale is None:
            self.scale = 0
        else:
            self.peer_scale = segment.scale
        self.mss = min(self.mss, segment.mss or 536)
        self.edge = segment.window
        if self.timestamps:
            self.recent = segment.timestamps[0]

    # What it receives.

    def handle(self, segment, peer):
        """Takes a segment of the connection. Returns whether it is answered by an
        acknowledgement at once. `peer` is who must have sent it: its stamps."""
        receiver = self.receiver
        start = receiver.next + signed(segment.sequence - self._acknowledging())
        if segment.flags & RST:
            return self._resetting(start)
        if segment.flags & SYN or not segment.flags & ACK:
            raise Wrong(f"{self.name}: flags {segment.flags:#x} in an open connection")
        self._check_stamps(segment, peer)
        span = segment.span()
        try:
            receiver.compare(start, segment.payload)
        except Corrupted as why:
            # RFC 9293 section 3.8.4: a keep-alive may carry one byte of garbage.
            if not (len(segment.payload) == 1 and start == len(receiver.stream) - 1):
                raise Wrong(f"{self.name}: {why}") from why
        if self._outdated(segment) or not receiver.acceptable(start, span):
            return True
        if self.timestamps and segment.timestamps and start <= receiver.next:
            self.recent = segment.timestamps[0]
        self._acknowledged(segment, span)
        if not span:
            return False
        fin = bool(segment.flags & FIN)
        in_order = receiver.take(start, segment.payload, fin)
        receiver.window()
        if in_order and self.traits.delayed and not self.due and not fin:
            self.due = True
            return False
        return True

    def _resetting(self, start):
        if start == self.receiver.next:
            self.reset = True
            return False
        # RFC 5961 section 3.2: in the window it is challenged, else dropped.
        return 0 <= start - self.receiver.next < max(1, self.receiver.edge - self.receiver.next)

    def _check_stamps(self, segment, peer):
        if (segment.timestamps is not None) != self.timestamps:
            raise Wrong(f"{self.name}: timestamps came or went")
        if not self.timestamps:
            return
        value, echo = segment.timestamps
        if not 0 < (value - peer.clock_first & SEQUENCE_MASK) <= peer.clock - peer.clock_first:
            raise Wrong(f"{self.name}: got timestamp {value}, which was never sent")
        if not 0 < (echo - self.clock_first & SEQUENCE_MASK) <= self.clock - self.clock_first:
            raise Wrong(f"{self.name}: its timestamp came back as {echo}")

    def _outdated(self, segment):
        """RFC 7323 section 5: an older timestamp than the one to be echoed."""
        return self.timestamps and signed(segment.timestamps[0] - self.recent) < 0

    def _acknowledged(self, segment, span):
        place = self.acknowledged + signed(
            segment.acknowledgement - self._sequence(self.acknowledged))
        if place > self.top():
            raise Wrong(f"{self.name}: {place} acknowledged, of {self.top()} sent")
        blocks = []
        for block in segment.sack:
            left, right = (place + signed(edge - segment.acknowledgement) for edge in block)
            if not 0 <= left < right <= self.top():
                raise Wrong(f"{self.name}: SACK block {left}..{right}, of {self.top()} sent")
            blocks.append((left, right))
        if segment.sack and not self.sack:
            raise Wrong(f"{self.name}: SACK came unasked")
        if place < self.acknowledged:
            return
        if place > self.acknowledged:
            self.duplicates = 0
        elif not span and place < self.top():
            self.duplicates += 1
        self.acknowledged = place
        self.sacked = tuple(block for block in blocks if block[1] > place)
        self.edge = place + (segment.window << self.peer_scale)
