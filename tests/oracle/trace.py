# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What happened on both wires, kept as it comes and written out only when a
session failed; and the look at every packet for what must never be there."""
from . import packet
from .end import Wrong

LINES_MAX = 90


class Trace:
    def __init__(self, enabled=True):
        self._events = []
        self._enabled = enabled

    def sent(self, end, frame, note=""):
        if self._enabled:
            self._events.append((end, frame, note))

    def arrived(self, end, segment):
        if self._enabled:
            self._events.append((end, segment, None))

    def describe(self):
        """Offsets from the first byte of the direction, as its own side counts."""
        written = [self._line(*event) for event in self._events]
        if len(written) > LINES_MAX:
            half = LINES_MAX // 2
            written[half:-half] = [f"… {len(written) - 2 * half} packets …"]
        return written

    @staticmethod
    def _line(end, what, note):
        if note is None:
            segment, arrow, first, other = what, "->", end.peer, end.traits.sequence
        else:
            try:
                segment = packet.read(what)
            except packet.Malformed:  # a checksum that is left to the kernel
                return f"{end.name:6} large packet of {len(what)} bytes {note}"
            arrow, first, other = "<-", end.traits.sequence, end.peer
        flags = "".join(name for bit, name in packet.FLAG_LETTERS if segment.flags & bit)
        parts = [f"{end.name:6} {'gets' if arrow == '->' else 'sends'}", flags,
                 f"seq {relative(segment.sequence, first)}+{len(segment.payload)}"]
        if segment.flags & packet.ACK:
            parts.append(f"ack {relative(segment.acknowledgement, other)}")
        parts.append(f"win {segment.window}")
        for left, right in segment.sack:
            parts.append(f"sack {relative(left, other)}..{relative(right, other)}")
        if segment.payload:
            parts.append(repr(segment.payload if len(segment.payload) < 90
                              else segment.payload[:60] + b"..." + segment.payload[-20:]))
        return " ".join(parts + ([f"({note})"] if note else []))


def relative(number, first):
    return packet.signed(number - first - 1) if first is not None else number


class Watch:
    """Looks at every frame that leaves the node."""

    def __init__(self, secrets, side="outside"):
        self.secrets, self.side = secrets, side

    def look(self, end, frame, trace):
        try:
            segment = packet.read(frame)
        except packet.Malformed as why:
            raise Wrong(f"{end.name} got a packet that no host accepts: {why}") from why
        trace.arrived(end, segment)
        if end.side == self.side:
            for secret in self.secrets:
                if secret in segment.payload:
                    raise Wrong(f"an inside address is on the outside wire: {segment.payload!r}")
        return segment
