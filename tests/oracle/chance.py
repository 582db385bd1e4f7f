# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random sessions: a seed, a mode and an address family make one session, always
the same."""
import random

from .delivery import AFTER, BACK, BEFORE, BYTES, RECUT, SAME, WHOLE, Delivery, Piece
from .end import Traits
from .modes import announce, question
from .reference import Text
from .scripts import OK, NOOP
from .session import Flight, Spec

EXCHANGES_MAX = 5
# Longer flights are not sent byte by byte: time is for more sessions.
BYTEWISE_MAX = 80
# How a session begins that does not log in; a first line that no client sends makes
# it foreign where the clients are inside. And what servers answer.
BEGINNINGS = (b"FEAT\r\n", b"SYST\r\n", b"HOST ftp.example.org\r\n", b"OPTS UTF8 ON\r\n",
              b"AUTH TLS\r\n", b"AUTH SSL\r\n", b"CLNT some client\r\n", b"USER anonymous\r\n")
REFUSALS = (b"530 Please login with USER and PASS.\r\n", b"500 What?\r\n", b"502 No.\r\n",
            b"504 Not that one.\r\n")
# An announcement that nobody asked for, of a host that is not there.
DECOY = b" 227 Entering Passive Mode (192,0,2,77,200,%d).\r\n"
VERBS = (b"TYPE I\r\n", b"CWD /pub/files\r\n", b"NOOP\r\n", b"PWD\r\n", b"SIZE a.bin\r\n",
         b"PASVE\r\n", b"SITE PORT 10\r\n", b"REST 0\r\n")
REPLIES = (b"200 ok\r\n", b"250 Directory changed (229 files).\r\n", b'257 "/" is it\r\n',
           b"213 229\r\n", b"350 Restarting at 0.\r\n", b"500 What?\r\n")


def choose(seed, modes, families):
    """The mode and the family of a seed, among those that are wanted."""
    rng = random.Random(f"kind {seed}")
    return rng.choice(modes), rng.choice(families)


def _places(rng, length):
    if length < 2:
        return []
    kind = rng.randrange(8)
    if kind == 0:
        return []
    if kind == 1 and length < BYTEWISE_MAX:
        return list(range(1, length, rng.randint(1, 4)))
    count = rng.choice((1, 1, 1, 2, 2, 3, 6))
    return sorted(rng.sample(range(1, length), min(count, length - 1)))


def _disturb(rng, pieces, length):
    """Loses, repeats, reorders and overlaps pieces."""
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        place = rng.randrange(len(pieces))
        piece = pieces[place]
        kind = rng.randrange(5)
        if kind == 0:
            pieces[place] = Piece(piece.start, piece.end, rng.choice((BEFORE, AFTER)))
        elif kind == 1:
            pieces.insert(rng.randint(place, len(pieces)), Piece(piece.start, piece.end))
        elif kind == 2:
            other = rng.randrange(len(pieces))
            pieces[place], pieces[other] = pieces[other], pieces[place]
        elif kind == 3:
            start = rng.randint(0, piece.start)
            pieces[place] = Piece(start, piece.end, piece.lost)
        else:
            end = rng.randint(piece.end, length)
            pieces.insert(place + 1, Piece(rng.randint(piece.start, piece.end), end))
    return [piece for piece in pieces if piece.start < piece.end]


def _delivery(rng, length):
    edges = [0, *_places(rng, length), length]
    pieces = [Piece(start, end) for start, end in zip(edges, edges[1:])]
    calm = rng.random() < 0.3
    if not calm:
        pieces = _disturb(rng, pieces, length)
    answers = () if rng.random() < 0.7 else tuple(
        (rng.randrange(4), rng.choice((BEFORE, AFTER))) for _ in range(rng.randint(1, 2)))
    way = rng.choice(("burst", "burst", "wait", "each"))
    return Delivery(
        tuple(pieces), wait=way == "wait", burst=way == "burst",
        swap=way == "burst" and rng.random() < 0.15, twice=rng.random() < 0.08,
        again=rng.choice((SAME, SAME, WHOLE, BACK, RECUT) + (BYTES,) * (length < BYTEWISE_MAX)),
        back=rng.randint(1, 20), lost_answers=answers,
        probe=rng.choice(("byte", "empty")) if rng.random() < 0.03 else None,
        room=rng.randint(1, length + 8) if rng.random() < 0.04 else None)


def _traits(rng):
    sequence = rng.getrandbits(32)
    if rng.random() < 0.5:
        sequence = (1 << 32) - rng.randint(1, 900)
    return Traits(sequence, timestamps=rng.random() < 0.75, sack=rng.random() < 0.8,
                  scale=rng.choice((None, 0, 2, 7, 7)), mss=rng.choice((536, 1240, 1400, 1440)),
                  buffer=rng.choice((4000, 16000, 64000)), delayed=rng.random() < 0.7)


def _port(rng):
    return rng.choice((rng.randint(1024, 65535), rng.randint(20000, 29999),
                       rng.randint(1024, 9999), 1024, 65535, 4096))


def _status(rng):
    """A multi-line reply with lines that look like announcements."""
    lines = [b"211-Status of the server:\r\n"]
    for _ in range(rng.randint(0, 30)):
        lines.append(rng.choice((DECOY % rng.randrange(256), b" 229 (|||4000|)\r\n",
                                 b"     Connected to somewhere\r\n", b"212 not the end\r\n",
                                 b"\r\n")))
    return Text(b"".join(lines) + b"211 End of status\r\n")


class Author:
    """Writes the dialogue of one session."""

    def __init__(self, rng, mode, family, number):
        self._rng, self._mode, self._family = rng, mode, family
        client, _, server = mode.addresses(family, number)
        self._address = client if mode.active else server
        self.flights = []

    def _say(self, actor, texts, dial=False):
        length = sum(len(text.line) for text in texts)
        self.flights.append(Flight(actor, tuple(texts), _delivery(self._rng, length), dial))

    def _announcement(self):
        """An exchange with an announcement in it: what each end says."""
        rng = self._rng
        syntax, form = rng.choice(self._mode.forms(self._family))
        made = announce(syntax, form, self._address, _port(rng))
        return ([made], [OK]) if self._mode.active else ([question(syntax)], [made])

    def _small(self):
        rng = self._rng
        kind = rng.random()
        if kind < 0.3:
            return [Text(b"STAT\r\n")], [_status(rng)]
        if kind < 0.36 and not self._mode.active:
            return [NOOP], [Text(DECOY[1:] % rng.randrange(256))]
        return [Text(rng.choice(VERBS))], [Text(rng.choice(REPLIES))]

    def login(self):
        rng = self._rng
        banner = b"220 FTP server ready.\r\n"
        if rng.random() < 0.4:
            banner = b"220-Welcome\r\n" + b"".join(
                b"220-" + b"=" * rng.randint(0, 70) + b"\r\n"
                for _ in range(rng.randint(0, 40))) + b"220 ready\r\n"
        self._say("server", [Text(banner)])
        if rng.random() < 0.7:
            self._say("client", [Text(b"USER anonymous\r\n")])
            self._say("server", [Text(b"331 Password, please.\r\n")])
            self._say("client", [Text(b"PASS me@example.com\r\n")])
            self._say("server", [Text(b"230 Logged in.\r\n")])
        elif self._mode.inside_clients or rng.random() < 0.5:
            self._say("client", [Text(rng.choice(BEGINNINGS))])
            self._say("server", [Text(rng.choice(REFUSALS))])

    def exchange(self):
        rng = self._rng
        commands, replies = [], []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            more = self._announcement() if rng.random() < 0.6 else self._small()
            commands += more[0]
            replies += more[1]
        announcing = commands if self._mode.active else replies
        made = any(text.announcement for text in announcing)
        # An endpoint that nobody dials stays reserved for a while.
        dial = made and (self._mode.active or rng.random() < 0.3)
        self._say("client", commands, dial and self._mode.active)
        self._say("server", replies, dial and not self._mode.active)
        if made and rng.random() < 0.6:
            self._say("client", [Text(rng.choice((b"LIST\r\n", b"RETR a.bin\r\n")))])
            begun, done = Text(b"150 Here it comes.\r\n"), Text(b"226 Done.\r\n")
            if rng.random() < 0.4:
                self._say("server", [begun, done])
            else:
                self._say("server", [begun])
                self._say("server", [done])


def session(seed, mode, family):
    rng = random.Random(f"{seed} {mode.name} {family.version}")
    number = seed
    author = Author(rng, mode, family, number)
    author.login()
    for _ in range(rng.randint(1, EXCHANGES_MAX)):
        author.exchange()
    if rng.random() < 0.3:
        author.flights += [Flight("client", (NOOP,)), Flight("server", (OK,))]
    return Spec(tuple(author.flights), number, 2000 + seed * 7 % 62000, _traits(rng),
                _traits(rng), close=rng.random() < 0.25)
