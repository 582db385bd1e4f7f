# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The named ways to bring an announcement across. Each yields, for an announcing
line of n bytes, every delivery that belongs to it."""
from dataclasses import dataclass
from typing import Callable

from .delivery import (AFTER, BACK, BEFORE, RECUT, WHOLE, Delivery, Piece, cut, whole)

OVERLAP = 3


def _every(make):
    """One delivery for every place between two bytes."""
    def yield_all(n):
        for place in range(1, n):
            yield make(n, place)
    return yield_all


def _pieces(*ranges, **options):
    return Delivery(tuple(Piece(*one) for one in ranges), **options)


def _three(n):
    for first in range(1, n - 1):
        for second in range(first + 1, n):
            yield cut(n, first, second, burst=True)


def _bytes(n):
    yield cut(n, *range(1, n), burst=True)
    yield cut(n, *range(1, n))
    yield cut(n, *range(1, n), wait=True)
    yield cut(n, *range(2, n, 2), burst=True)


def _answers_lost(n):
    for place in range(1, n):
        for where in (BEFORE, AFTER):
            yield cut(n, place, wait=True, lost_answers=((0, where),))


def _probes(n):
    for kind in ("byte", "empty"):
        yield Delivery(whole(n).pieces, probe=kind)
        for place in range(1, n, 5):
            yield cut(n, place, probe=kind, burst=True)


def _edges(n):
    for room in range(1, n + 6):
        yield Delivery(whole(n).pieces, room=room)
        yield cut(n, n // 2, room=room)


def _finish(n):
    yield Delivery(whole(n).pieces, finish=True)
    for place in range(1, n):
        yield cut(n, place, burst=True, finish=True)


def _reset(n):
    yield Delivery(whole(n).pieces, reset=True)
    for place in range(1, n):
        yield cut(n, place, reset=True)


def _large(n):
    yield whole(n)
    for place in range(1, n, 3):
        yield cut(n, place, burst=True)


def _whole(n):
    yield whole(n)


def _refused(n):
    yield whole(n)
    for place in range(1, n):
        yield cut(n, place, burst=True)
        yield cut(n, place, wait=True)
    yield cut(n, *range(1, n), burst=True)


def _overlap_before(n, k):
    return _pieces((0, k), (max(0, k - OVERLAP), n), burst=True)


def _lost_overlap(n, k):
    """The tail is lost; what is sent again begins in the head."""
    return _pieces((0, k), (k, n, AFTER), again=BACK, back=OVERLAP)


@dataclass(frozen=True)
class Case:
    name: str
    deliveries: Callable
    prompt: bool = False        # must not cost a retransmission time-out
    single: bool = False        # for one line of each syntax only
    before: int = 0             # lines in the same flight in front of the announcement
    after: int = 0              # and behind it
    flight: bool = False        # the delivery is of the flight, not of the line in it
    fit: str | None = None      # how the flight is padded: see scripts.py


CASES = (
    Case("whole", _whole, prompt=True),
    Case("two segments", _every(lambda n, k: cut(n, k, burst=True)), prompt=True),
    Case("two segments, each acknowledged", _every(lambda n, k: cut(n, k, wait=True)),
         prompt=True),
    Case("three segments", _three, single=True),
    Case("bytes one by one", _bytes),
    Case("head lost before the node", _every(
        lambda n, k: _pieces((0, k, BEFORE), (k, n)))),
    Case("head lost behind the node", _every(
        lambda n, k: _pieces((0, k, AFTER), (k, n)))),
    Case("tail lost before the node", _every(
        lambda n, k: _pieces((0, k), (k, n, BEFORE)))),
    Case("tail lost behind the node", _every(
        lambda n, k: _pieces((0, k), (k, n, AFTER)))),
    Case("whole lost behind the node, cut again", _every(
        lambda n, k: _pieces((0, n, AFTER), again=RECUT, back=k))),
    Case("both lost behind the node, coalesced", _every(
        lambda n, k: _pieces((0, k, AFTER), (k, n, AFTER), again=WHOLE))),
    Case("tail lost, overlapping retransmission", _every(_lost_overlap)),
    Case("segments that overlap", _every(_overlap_before)),
    Case("head, then coalesced with the tail", _every(
        lambda n, k: _pieces((0, k), (0, n), burst=True))),
    Case("whole, then the tail again", _every(
        lambda n, k: _pieces((0, n), (k, n), burst=True))),
    Case("head twice", _every(lambda n, k: _pieces((0, k), (0, k), (k, n), burst=True))),
    Case("tail twice", _every(lambda n, k: _pieces((0, k), (k, n), (k, n), burst=True))),
    Case("duplicated behind the node", _every(lambda n, k: cut(n, k, twice=True))),
    Case("tail before head", _every(lambda n, k: _pieces((k, n), (0, k), burst=True))),
    Case("reordered behind the node", _every(
        lambda n, k: cut(n, k, burst=True, swap=True))),
    Case("acknowledgement lost", _answers_lost),
    Case("zero-window probe", _probes),
    Case("window edge", _edges),
    Case("FIN with data", _finish),
    Case("reset with data", _reset),
    Case("behind another line", _every(lambda n, k: cut(n, k, burst=True)), prompt=True,
         before=1),
    Case("before another line", _every(lambda n, k: cut(n, k, burst=True)), prompt=True,
         after=1),
    Case("one flight of several, cut anywhere", _every(
        lambda n, k: cut(n, k, burst=True)), prompt=True, before=1, after=1, flight=True),
    Case("SACK: line lost between others", lambda n: [
        _pieces((0, 0, AFTER))], before=1, after=2, fit="holes"),
    Case("full segments", _every(lambda n, k: cut(n, k, burst=True)), single=True, fit="full"),
    Case("large packet with fragments", _large, single=True, fit="large"),
    Case("sequence wrap", _every(lambda n, k: whole(n)), prompt=True, fit="wrap"),
    Case("sequence wrap, two segments", _every(
        lambda n, k: cut(n, n // 2, burst=True)), prompt=True, fit="wrap"),
    Case("without options", _every(lambda n, k: cut(n, k, burst=True)), prompt=True,
         single=True, fit="plain"),
    Case("what must be refused, whole and cut anywhere", _refused, prompt=True, fit="refused"),
    Case("in a session that did not begin as FTP", _refused, prompt=True, single=True,
         fit="foreign"),
    Case("many in one session", _every(lambda n, k: cut(n, k, burst=True)), fit="many"),
)
