# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Brings flights of bytes from one end to the other through the node, in virtual
time: delivers, answers, and retransmits when nothing else moves. A time-out
costs no time here; it is counted."""
from . import packet
from .delivery import AFTER, BACK, BEFORE, BYTES, RECUT, WHOLE, Piece
from .end import Wrong
from .packet import FIN, PSH

ROUNDS_MAX = 12
STUCK_MAX = 5                   # rounds in a row without an acknowledgement
# Answers that are answered so often are a storm.
STORM = 60


class Stalled(Exception):
    """Nothing moves, whatever is sent again: the session hangs."""


class Line:
    """Both ends and the node between them."""

    def __init__(self, wire, ends, watch, trace):
        self.wire, self.ends, self.watch, self.trace = wire, ends, watch, trace
        self.inbox = {end: [] for end in ends}
        self.other = []             # (side, segment) of other connections
        self.timeouts = 0
        self._pending = 0           # sent, and nothing arrived for it yet
        self._idle = False          # nothing was sent since the last look
        self._answers = 0
        self._lost_answers = {}
        self._twice = False

    def peer(self, end):
        return self.ends[end is self.ends[0]]

    # Frames.

    def send(self, end, frame, note=""):
        self.trace.sent(end, frame, note)
        self.wire.send(end.side, frame)
        self._pending += 1
        self._idle = False

    def collect(self):
        """Takes what has arrived; returns whether something has."""
        some = False
        self._idle = True
        for end in self.ends:
            for frame in self.wire.receive(end.side):
                some = True
                self._pending -= 1
                segment = self.watch.look(end, frame, self.trace)
                if self._mine(end, segment):
                    self.inbox[end].append(segment)
                else:
                    self._foreign(end, segment)
        return some

    @staticmethod
    def _mine(end, segment):
        path = end.path
        return (segment.destination_port == path.source_port and
                segment.source_port == path.destination_port and
                segment.destination == path.source and segment.source == path.destination)

    def _foreign(self, end, segment):
        if segment.destination_port == end.path.source_port and \
                end.path.destination_port in segment.ports:
            raise Wrong(f"{end.name}: a packet of the connection came from another address")
        self.other.append((end.side, segment))

    def settle(self):
        """Waits for late frames; returns whether one came."""
        if not self._idle and self.collect():
            return True
        if self._pending > 0 and self.wire.wait():
            return self.collect()
        self._pending = 0
        return False

    # Answers.

    def pump(self):
        """Delivers and answers until both ends are quiet."""
        count = 0
        while True:
            for end in self.ends:
                if self.inbox[end]:
                    break
            else:
                if self.settle() or self._delayed():
                    continue
                return
            count += 1
            if count > STORM:
                raise Wrong("a storm of acknowledgements")
            arrived, self.inbox[end] = self.inbox[end], []
            for segment in arrived:
                for _ in range(1 + self._twice):
                    self._take(end, segment)

    def _take(self, end, segment):
        if end.aborted:
            if not segment.flags & packet.RST:
                self.send(end, end.refuse(segment))
        elif end.handle(segment, self.peer(end)):
            self._answer(end)

    def _delayed(self):
        some = False
        for end in self.ends:
            if end.due:
                self._answer(end)
                some = True
        return some

    def _answer(self, end):
        frame = end.acknowledge()
        lost = self._lost_answers.get(self._answers)
        self._answers += 1
        if lost == BEFORE:
            self.trace.sent(end, frame, "lost")
        elif lost == AFTER:
            self.discard_after(end, frame)
        else:
            self.send(end, frame)

    def discard_after(self, end, frame, large=None):
        """Sends a frame whose result the other end does not get."""
        self.settle()
        peer = self.peer(end)
        kept = list(self.inbox[peer])
        if large:
            large()
        else:
            self.send(end, frame, "lost behind")
        self.settle()
        self.inbox[peer] = kept

    # Flights.

    def bring(self, end, text, delivery, done):
        """Brings the text across. `done` tells whether the other side has it."""
        base = len(end.stream)
        end.stream += text
        peer = self.peer(end)
        self._answers, self._lost_answers = 0, dict(delivery.lost_answers)
        self._twice = delivery.twice
        if delivery.probe or delivery.room is not None:
            self._close_window(end, peer, delivery, base)
        for place, piece in enumerate(delivery.pieces):
            if delivery.wait and end.acknowledged < end.top():
                self.recover(end, delivery, base, lambda: end.acknowledged == end.top())
            flags = PSH
            if place == len(delivery.pieces) - 1 and delivery.finish:
                flags |= FIN
            self._piece(end, base, piece, flags, delivery)
            if not delivery.burst:
                self.pump()
            if end.reset or peer.reset:
                return
        if delivery.swap:
            self.settle()
            self.inbox[peer].reverse()
        self.pump()
        self.recover(end, delivery, base, lambda: done() and end.acknowledged == end.top())
        self._twice = False

    def _piece(self, end, base, piece, flags, delivery):
        start, stop = base + piece.start, base + piece.end
        if delivery.reset and piece == delivery.pieces[-1]:
            self._reset(end, start, stop)
            return
        if delivery.large:
            self._large(end, start, stop, flags, piece.lost)
            return
        limit = end.payload_limit()
        while True:
            until = min(stop, start + limit)
            if until > end.edge and start < until:
                until = self._within_window(end, start, until)
            frame = end.segment(start, until, flags if until == stop else flags & ~FIN)
            if piece.lost == BEFORE:
                self.trace.sent(end, frame, "lost")
            elif piece.lost == AFTER:
                self.discard_after(end, frame)
            else:
                self.send(end, frame)
            if until >= stop:
                return
            start = until

    def _reset(self, end, start, stop):
        """A reset ends the connection at the other end, at the latest when that end
        sends something and gets another one."""
        end.sent = max(end.sent, start)
        end.aborted = True
        self.send(end, end.abort(bytes(end.stream[start:stop]), start))
        self.pump()
        peer = self.peer(end)
        if not peer.reset:
            self.send(peer, peer.acknowledge(), "keep-alive")
            self.pump()
        if not peer.reset:
            raise Stalled(f"{peer.name} does not learn of the reset")

    def _within_window(self, end, start, until):
        """A sender must not exceed the window: it waits until it opens."""
        if end.edge > start:
            return end.edge
        for _ in range(ROUNDS_MAX):
            self.pump()
            if end.edge > start:
                return min(until, end.edge)
            self.recover(end, None, 0, lambda: end.acknowledged == end.top())
            if self.peer(end).receiver.paused:
                self._open_window(self.peer(end))
            elif end.edge <= start:
                self.send(end, end.segment(end.acknowledged - 1, end.acknowledged - 1), "probe")
        raise Stalled(f"{end.name}: the window stays closed")

    def _large(self, end, start, stop, flags, lost):
        frame = end.segment(start, stop, flags, partial=True)
        header = len(frame) - packet.ETHERNET - (stop - start)

        def send():
            self.trace.sent(end, frame, "large")
            self.wire.send_large(end.side, frame, header, end.payload_limit(), end.path.v6)
            self._pending += 1
            self._idle = False
        if lost == AFTER:
            self.discard_after(end, frame, send)
        else:
            send()

    # Windows.

    def _close_window(self, end, peer, delivery, base):
        """The receiving application stops reading, so that the window shrinks to
        `room`; for a probe to nothing."""
        room = 0 if delivery.probe else delivery.room
        receiver = peer.receiver
        here = len(receiver.stream)
        receiver.edge = receiver.read = here
        receiver.buffer = room
        self.send(peer, peer.acknowledge(), "window")
        self.pump()
        if not delivery.probe:
            receiver.buffer = peer.traits.buffer
            receiver.paused = True
            receiver.read = here - peer.traits.buffer + room
            return
        receiver.paused = True
        for _ in range(2):
            at = base if delivery.probe == "byte" else base - 1
            self.send(end, end.segment(at, base + (delivery.probe == "byte")), "probe")
            self.pump()
        self._open_window(peer)

    def _open_window(self, peer):
        receiver = peer.receiver
        receiver.buffer, receiver.paused = peer.traits.buffer, False
        receiver.window()
        self.send(peer, peer.acknowledge(), "window")
        self.pump()

    # Retransmissions.

    def recover(self, end, delivery, base, done):
        """Sends again until it is done, or several rounds bring nothing: one alone may
        have lost its acknowledgement."""
        stuck = 0
        for turn in range(ROUNDS_MAX):
            if done() or end.reset or self.peer(end).reset:
                return
            if self.peer(end).receiver.paused:
                self._open_window(self.peer(end))
                continue
            if end.acknowledged == end.top():
                raise Wrong(f"{end.name}: everything is acknowledged, and "
                            f"{self.peer(end).name} does not have it all")
            # RFC 5681 and RFC 6675: what duplicates or SACK tell is sent again at once.
            if turn or not (end.duplicates >= 3 or end.sacked):
                self.timeouts += 1
            before = end.acknowledged
            for piece in self._again(end, delivery, base):
                if end.acknowledged >= end.top():
                    break
                if piece.end <= end.acknowledged < piece.end + (end.finish is None):
                    continue
                start = piece.start
                if start < end.acknowledged and (delivery is None or delivery.again != BACK):
                    start = end.acknowledged
                flags = PSH | (FIN if end.finish == piece.end else 0)
                self.send(end, end.segment(start, piece.end, flags), "again")
                self.pump()
            stuck = stuck + 1 if end.acknowledged == before else 0
            if stuck > STUCK_MAX and not done():
                break
        if not done():
            raise Stalled(f"{end.name}: {end.acknowledged} of {end.top()} acknowledged, and "
                          f"{len(self.peer(end).receiver.stream)} received, "
                          f"after {self.timeouts} time-outs")

    def _again(self, end, delivery, base):
        """The packets of one round of retransmission."""
        first, last = end.acknowledged, end.sent
        limit = end.payload_limit()
        style = delivery.again if delivery else WHOLE
        back = delivery.back if delivery else 0
        if style == BYTES:
            return [Piece(at, at + 1) for at in range(first, last)] or [Piece(first, last)]
        if style == RECUT and last - first > 1:
            middle = min(last - 1, first + max(1, back))
            return [*_limited(first, middle, limit), *_limited(middle, last, limit)]
        if style == BACK:
            return _limited(max(0, first - back), last, limit)
        if style == WHOLE:
            return _limited(first, last, limit)
        same = []
        for piece in sorted(delivery.pieces, key=lambda piece: (piece.start, piece.end)):
            if base + piece.end > first and base + piece.start <= last:
                start = max(first, base + piece.start)
                if not same or start >= same[-1].end:
                    same += _limited(start, min(last, base + piece.end), limit)
        return same or _limited(first, last, limit)


def _limited(start, end, limit):
    """The range in packets of at most `limit` bytes; one that is empty for a FIN."""
    return [Piece(at, min(end, at + limit)) for at in range(start, end, limit)] or \
        [Piece(start, end)]
