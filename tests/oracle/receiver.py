# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The receiving half of a TCP end: puts a byte stream together, by offsets from
its first byte, and notices bytes that are not the same when they come again."""


class Corrupted(Exception):
    """The same place in the stream was sent with two contents."""


class Receiver:
    def __init__(self, buffer):
        self.stream = bytearray()       # in order, whole
        self.buffer = buffer            # bytes that it has room for
        self.read = 0                   # what the application has taken
        self.edge = buffer              # right edge of the window it has advertised
        self.paused = False             # the application does not read
        self.finished_at = None         # offset of the FIN, once seen
        self.waiting = []               # (start, end) out of order, newest first
        self._ahead = {}                # start -> bytes out of order

    @property
    def next(self):
        """What it acknowledges: the FIN counts as one byte."""
        here = len(self.stream)
        return here + (self.finished_at == here)

    @property
    def finished(self):
        return self.finished_at is not None and self.next > len(self.stream)

    def window(self):
        """How much may come behind what it acknowledges."""
        if not self.paused:
            self.read = len(self.stream)
        self.edge = max(self.edge, self.read + self.buffer)
        return max(0, self.edge - len(self.stream))

    def acceptable(self, start, span):
        """RFC 9293 section 3.10.7.4, the first check."""
        window = self.edge - self.next
        if span == 0:
            return 0 <= start - self.next < max(window, 1)
        return window > 0 and (0 <= start - self.next < window or
                               0 <= start + span - 1 - self.next < window)

    def compare(self, start, payload):
        """Bytes that are here already must be the same."""
        self._same(0, self.stream, start, payload)
        for place, known in self._ahead.items():
            self._same(place, known, start, payload)

    @staticmethod
    def _same(place, known, start, payload):
        first = max(place, start, 0)
        last = min(place + len(known), start + len(payload))
        if first >= last:
            return
        old, new = known[first - place:last - place], payload[first - start:last - start]
        if old != new:
            raise Corrupted(f"bytes {first}..{last} came as {bytes(old)!r}, "
                            f"then as {bytes(new)!r}")

    def take(self, start, payload, fin):
        """Returns whether the segment was the next one and left no hole behind."""
        end = start + len(payload)
        if fin and end <= self.edge:
            self.finished_at = end
        if end > self.edge:
            payload = payload[:max(0, self.edge - start)]
            end = start + len(payload)
        here = len(self.stream)
        if start > here:
            if payload:
                self._keep(start, payload)
            return False
        if end > here:
            self.stream += payload[here - start:]
            if self._ahead:
                self._gather()
                return False
            return True
        return fin and self.finished_at == here

    def _keep(self, start, payload):
        if len(self._ahead.get(start, b"")) < len(payload):
            self._ahead[start] = payload
        self._note(start, start + len(payload))

    def _note(self, start, end):
        """Merges a range into those waiting; the newest stands first (RFC 2018)."""
        rest = []
        for one in self.waiting:
            if one[1] < start or one[0] > end:
                rest.append(one)
            else:
                start, end = min(start, one[0]), max(end, one[1])
        self.waiting = [(start, end), *rest]

    def _gather(self):
        for start in sorted(self._ahead):
            here = len(self.stream)
            if start <= here:
                self.stream += self._ahead.pop(start)[here - start:]
        here = len(self.stream)
        self.waiting = [one for one in self.waiting if one[0] > here]
