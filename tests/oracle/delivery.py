# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How one flight of bytes is brought across: which pieces, in which order, what
is lost on the way, what a retransmission looks like. Only says it; flight.py
does it."""
from dataclasses import dataclass

# Where a packet or an acknowledgement is lost: before the node, or behind it.
BEFORE, AFTER = "before", "after"

# What a retransmission holds.
SAME, WHOLE, BACK, RECUT, BYTES = "same", "whole", "back", "recut", "bytes"


@dataclass(frozen=True)
class Piece:
    """Bytes start to end of the flight as one packet."""
    start: int
    end: int
    lost: str | None = None


@dataclass(frozen=True)
class Delivery:
    pieces: tuple               # in the order of sending
    wait: bool = False          # each piece waits until the ones before are acknowledged
    burst: bool = False         # no acknowledgement is looked at before the last piece
    swap: bool = False          # what left the node in a burst arrives the other way round
    twice: bool = False         # and every packet arrives twice
    again: str = SAME
    back: int = 3               # by how much BACK overlaps, where RECUT cuts
    lost_answers: tuple = ()    # (number of an acknowledgement, BEFORE or AFTER)
    large: bool = False         # pieces above the MSS travel as one packet, as after GRO
    probe: str | None = None    # "byte" or "empty": the receiver's window was closed
    room: int | None = None     # the receiver's window, counted from the flight's start
    finish: bool = False        # the last piece carries a FIN
    reset: bool = False         # the last piece is data on a reset


def whole(length):
    return Delivery((Piece(0, length),))


def cut(length, *places, **options):
    """Cut at these places into pieces in order."""
    edges = [0, *places, length]
    pieces = tuple(Piece(start, end) for start, end in zip(edges, edges[1:]) if start < end)
    return Delivery(pieces, **options)
