# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The dialogues around one announcement, in which a case's delivery happens."""
from dataclasses import dataclass, replace

from .cases import CASES
from . import refusals
from .delivery import AFTER, Delivery, Piece, cut, whole
from .end import Traits
from .modes import FIRST_PORT, KEPT, LONG, PORTS, SHORT, announce, question
from .reference import Text
from .session import Flight, Spec

GREETING = Text(b"220 ready\r\n")
USER = Text(b"USER a\r\n")
LOGGED_IN = Text(b"230 in\r\n")
# Nobody announces in the first line that it sends, and nf_nat_ftp knows that.
LOGIN = (Flight("server", (GREETING,)), Flight("client", (USER,)),
         Flight("server", (LOGGED_IN,)))
OK = Text(b"200 ok\r\n")
NOOP = Text(b"NOOP\r\n")
MANY = 24
LARGE = 6000
CLIENT, SERVER = Traits(), Traits(2_000_000)


@dataclass(frozen=True)
class Line:
    """One announcing text of a mode, and what to call it."""
    label: str
    text: Text
    syntax: str


def announcing_lines(mode, family, index=0, single=False):
    """The texts that a mode's announcing end sends, with ports of every length."""
    client, _, server = mode.addresses(family, 0)
    address = client if mode.active else server
    seen = set()
    made = []
    for syntax, form in mode.forms(family):
        if single and syntax in seen:
            continue
        seen.add(syntax)
        for length in (KEPT,) if single else (KEPT, SHORT, LONG):
            port = FIRST_PORT[length] + index % PORTS
            made.append(Line(f"{syntax} {form}, {length}",
                             announce(syntax, form, address, port), syntax))
    return made


def _neighbours(mode, line, before, after):
    """What the announcing end sends in one flight, and what the other end sends to
    make it (passive) or in answer to it (active)."""
    if mode.active:
        texts = (NOOP,) * before + (line.text,) + (NOOP,) * after
        return texts, (OK,) * len(texts)
    texts = (OK,) * before + (line.text,) + (OK,) * after
    return texts, (NOOP,) * before + (question(line.syntax),) + (NOOP,) * after


def exchange(mode, line, texts, others, delivery, dial=True):
    """The flights of one announcement."""
    if mode.active:
        return (Flight("client", texts, delivery, dial and not _ends(delivery)),
                *(() if _ends(delivery) else (Flight("server", others),)))
    return (Flight("client", others),
            Flight("server", texts, delivery, dial and not _ends(delivery)))


def _ends(delivery):
    return delivery.finish or delivery.reset


def _shift(delivery, before, length, total):
    """A delivery of a line as one of the flight around it: what is in front goes with
    its first piece, what follows with its last."""
    pieces = []
    for piece in delivery.pieces:
        start = piece.start + before if piece.start else 0
        end = piece.end + before if piece.end < length else total
        pieces.append(replace(piece, start=start, end=end))
    return replace(delivery, pieces=tuple(pieces))


def _filler(mode, size):
    """A text of about this size that precedes an announcement, and its partner."""
    if mode.active:
        return Text(b"NOOP " + b"x" * (size - 7) + b"\r\n")
    lines, rest = [b"211-status\r\n"], size - len(b"211-status\r\n") - len(b"211 end\r\n")
    while rest > 0:
        length = rest if rest < 80 else 60
        lines.append(b" " * (length - 2) + b"\r\n" if length > 2 else b"\r\n")
        rest -= length
    return Text(b"".join(lines) + b"211 end\r\n")


def _wrap(mode, line, delivery, place):
    """Sequence numbers pass 2^32 at this byte of the line."""
    ahead = sum(len(text.line) for text in ([USER] if mode.active else [GREETING, LOGGED_IN]))
    first = (1 << 32) - 1 - ahead - place
    return replace(CLIENT if mode.active else SERVER, sequence=first & 0xFFFFFFFF)


def _spec(mode, flights, announcer=None, other=None):
    announcer = announcer or (CLIENT if mode.active else SERVER)
    other = other or (SERVER if mode.active else CLIENT)
    client, server = (announcer, other) if mode.active else (other, announcer)
    return Spec(flights, client=client, server=server)


def _flights(mode, line, case, delivery, dial=True):
    texts, others = _neighbours(mode, line, case.before, case.after)
    total = sum(len(text.line) for text in texts)
    if case.before or case.after:
        if not case.flight:
            front = sum(len(text.line) for text in texts[:case.before])
            delivery = _shift(delivery, front, len(line.text.line), total)
    flights = LOGIN + exchange(mode, line, texts, others, delivery, dial)
    if not _ends(delivery):
        flights += (Flight("client", (NOOP,)), Flight("server", (OK,)))
    return flights


def _holes(mode, line, case):
    """The line is lost, what follows arrives: the receiver answers with SACK."""
    texts, _ = _neighbours(mode, line, case.before, case.after)
    edges = [0]
    for text in texts:
        edges.append(edges[-1] + len(text.line))
    pieces = [Piece(start, end, AFTER if number == case.before else None)
              for number, (start, end) in enumerate(zip(edges, edges[1:]))]
    for wait in (False, True):
        yield Delivery(tuple(pieces), burst=wait)


def _padded(mode, line, delivery, limit, large):
    """The announcement at the end of a long flight."""
    size = LARGE if large else limit - len(line.text.line)
    filler = _filler(mode, size)
    texts, others = (filler, line.text), (OK, OK)
    if not mode.active:
        others = (Text(b"STAT\r\n"), question(line.syntax))
    total = size + len(line.text.line)
    delivery = replace(_shift(delivery, size, len(line.text.line), total), large=large)
    return LOGIN + exchange(mode, line, texts, others, delivery)


def _specs(mode, family, case, line):
    """Every session of a case for one line."""
    length = len(line.text.line)
    if case.fit == "holes":
        case = replace(case, flight=True)
        for delivery in _holes(mode, line, case):
            yield _spec(mode, _flights(mode, line, case, delivery))
        return
    if case.flight:
        texts, _ = _neighbours(mode, line, case.before, case.after)
        length = sum(len(text.line) for text in texts)
    if case.fit == "many":
        yield _many(mode, family, line)
        return
    if case.fit == "foreign":
        yield from _foreign(mode, line, case.deliveries)
        return
    for place, delivery in enumerate(case.deliveries(length)):
        announcer = other = None
        if case.fit in ("full", "large"):
            limit = 1500 - (40 if family.version == 4 else 60) - 12
            flights = _padded(mode, line, delivery, limit, case.fit == "large")
            if family.version == 6:
                announcer = replace(CLIENT if mode.active else SERVER, mss=1440)
            yield _spec(mode, flights, announcer)
            continue
        if case.fit == "wrap":
            announcer = _wrap(mode, line, delivery, place)
        elif case.fit == "plain":
            bare = dict(timestamps=False, sack=False, scale=None)
            announcer = replace(CLIENT if mode.active else SERVER, **bare)
            other = replace(SERVER if mode.active else CLIENT, **bare)
        elif case.name in ("window edge", "zero-window probe"):
            other = replace(SERVER if mode.active else CLIENT, scale=None, buffer=8000)
        yield _spec(mode, _flights(mode, line, case, delivery), announcer, other)


def _many(mode, family, line):
    """Announcement after announcement, each cut elsewhere and of another length."""
    lines = [one for one in announcing_lines(mode, family) if one.syntax == line.syntax]
    flights = LOGIN
    for number in range(MANY):
        one = lines[number % len(lines)]
        length = len(one.text.line)
        delivery = whole(length) if number % 3 == 0 else cut(
            length, 1 + number * 7 % (length - 1), wait=number % 3 == 1)
        texts, others = _neighbours(mode, one, 0, 0)
        flights += exchange(mode, one, texts, others, delivery)
    return _spec(mode, flights)


def _rest(mode, family, line):
    """A right announcement after whatever happened, and the session's last words."""
    texts, others = _neighbours(mode, line, 0, 0)
    return exchange(mode, line, texts, others, whole(len(line.text.line))) + (
        Flight("client", (NOOP,)), Flight("server", (OK,)))


def _refused(mode, family):
    """What must be refused opens nothing, and the session goes on."""
    right = announcing_lines(mode, family, single=True)
    for one in refusals.lines(mode, family):
        following = next(line for line in right if line.syntax == one.syntax)
        for delivery in CASES_BY_FIT["refused"].deliveries(len(one.text.line)):
            if mode.active:
                flights = (Flight("client", (one.text,), delivery, closed=one.port),
                           Flight("server", (refusals.ANSWER,)))
            else:
                flights = (Flight("client", (one.question or question(one.syntax),)),
                           Flight("server", (one.text,), delivery, closed=one.port))
            # What follows is refused, too, when the client gave it up.
            last = () if one.before else _rest(mode, family, following)
            spec = _spec(mode, LOGIN + one.before + flights + last)
            yield one.label, replace(spec, shown=True)


def _foreign(mode, line, deliveries):
    """The first line is none of FTP: that ends it where the clients are inside."""
    length = len(line.text.line)
    beginning = (Flight("server", (GREETING,)), Flight("client", refusals.FOREIGN),
                 Flight("server", (refusals.ANSWER,)))
    texts, others = _neighbours(mode, line, 0, 0)
    for delivery in deliveries(length):
        if mode.inside_clients:
            flights = (Flight("client", (Text(line.text.line),), delivery,
                              closed=line.text.announcement.port),
                       Flight("server", others))
        else:
            flights = exchange(mode, line, texts, others, delivery)
        yield replace(_spec(mode, beginning + flights), shown=mode.inside_clients)


CASES_BY_FIT = {case.fit: case for case in CASES}


def sessions(mode, family, case):
    """Every session of a case, with its label and its own client port."""
    if case.fit == "refused":
        for number, (label, spec) in enumerate(_refused(mode, family), 1):
            yield f"{case.name} #{number}: {label}", spec
        return
    number = 0
    single = case.single or mode.brief
    for line in announcing_lines(mode, family, CASES.index(case), single):
        if case.fit == "many" and KEPT not in line.label:
            continue
        for spec in _specs(mode, family, case, line):
            number += 1
            yield f"{case.name} #{number}: {line.label}", spec
