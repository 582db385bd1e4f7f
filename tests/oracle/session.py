# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One control connection from its handshake to its end: brings every flight
across, and compares what each end received with the reference."""
from dataclasses import dataclass, field

from . import delivery as ways
from .dial import Dialler
from .end import End, Traits, Wrong
from .flight import Line, Stalled
from .packet import Path, packed
from .reference import Mismatch, check, secrets
from .trace import Trace, Watch
from .wire import SIDES

CONTROL_PORT = 21
# How a session went: rightly; ended with an error that the user sees; hung;
# or something was wrong in it.
RIGHT, ENDED, HUNG, WRONG = "right", "ended", "hung", "wrong"


@dataclass(frozen=True)
class Flight:
    """What one end sends at once."""
    actor: str                      # "client" or "server"
    texts: tuple
    delivery: ways.Delivery | None = None
    dial: bool = False
    closed: int | None = None       # a port that must not be open after it


@dataclass(frozen=True)
class Spec:
    """A whole session, before it is played."""
    flights: tuple
    number: int = 0                 # which client
    port: int = 40000               # and its port
    client: Traits = Traits()
    server: Traits = Traits(2_000_000)
    close: bool = False             # ends with FINs instead of a reset
    shown: bool = False             # inside addresses are seen outside, as they must be


@dataclass
class Outcome:
    verdict: str
    why: str = ""
    timeouts: int = 0
    packets: list = field(default_factory=list)


class Session:
    def __init__(self, lab, family, spec):
        mode = lab.mode
        self.spec = spec
        client, dialled, server = mode.addresses(family, spec.number)
        self.told = mode.to_tell(family, lab.helper, client)
        sides = ("inside", "outside") if mode.inside_clients else ("outside", "inside")
        macs = lab.wire.macs
        self.client = End("client", sides[0], Path(
            macs[sides[0]], packed(client), packed(dialled), spec.port, CONTROL_PORT),
            spec.client)
        self.server = End("server", sides[1], Path(
            macs[sides[1]], packed(server), packed(mode.seen_client(family, client)),
            CONTROL_PORT, spec.port), spec.server)
        self.trace = Trace()
        self.line = Line(lab.wire, (self.client, self.server),
                         Watch([] if spec.shown else secrets(mode.secret(family, client))),
                         self.trace)
        self.dialler = Dialler(self.line, mode, family, self.client, self.server)
        self.sent = {"client": [], "server": []}

    def play(self):
        try:
            self._play()
            outcome = Outcome(RIGHT)
        except (Mismatch, Wrong) as why:
            outcome = Outcome(WRONG, str(why))
        except Stalled as why:
            outcome = Outcome(HUNG, str(why))
        if outcome.verdict == RIGHT and (self.client.reset or self.server.reset) and \
                not (self.client.aborted or self.server.aborted):
            outcome = Outcome(ENDED, "an end was reset")
        outcome.timeouts = self.line.timeouts
        if outcome.verdict != RIGHT:
            outcome.packets = self.trace.describe()
            self._abandon()
        return outcome

    def _play(self):
        self._handshake()
        for flight in self.spec.flights:
            self._fly(flight)
            if self.client.reset or self.server.reset:
                self._compare(whole=False)
                return
        self._compare()
        if self.spec.close:
            self._close()
        if not self.client.aborted:
            self._reset()

    def _handshake(self):
        line, client, server = self.line, self.client, self.server
        for side in SIDES:
            line.wire.receive(side)  # what is late from a session before
        line.send(client, client.open(False))
        self._arrives(server, "SYN").opened(self._taken, False)
        line.send(server, server.open(True))
        self._arrives(client, "SYN/ACK").opened(self._taken, True)
        # Windows are scaled from here on.
        line.send(client, client.acknowledge())
        line.pump()
        if server.edge == 0:
            raise Stalled("the handshake is not acknowledged")

    def _arrives(self, end, what):
        """Waits for one packet and returns the end that got it."""
        self.line.settle()
        if not self.line.inbox[end] and end is self.server:
            self._adopt_port()
        if not self.line.inbox[end]:
            raise Stalled(f"the {what} does not arrive")
        self._taken = self.line.inbox[end].pop(0)
        return end

    def _adopt_port(self):
        """Masquerading may have given the client another port."""
        for side, segment in self.line.other:
            if side == self.server.side and segment.destination_port == CONTROL_PORT and \
                    segment.source == self.server.path.destination:
                self.server.path.destination_port = segment.source_port
                self.line.inbox[self.server].append(segment)
        self.line.other.clear()

    def _fly(self, flight):
        end = self.client if flight.actor == "client" else self.server
        peer = self.line.peer(end)
        text = b"".join(part.line for part in flight.texts)
        self.sent[end.name] += flight.texts
        way = flight.delivery or ways.whole(len(text))
        count = sum(part.line.count(b"\n") for part in self.sent[end.name])

        def done():
            return peer.receiver.stream.count(b"\n") >= count and \
                (not way.finish or peer.receiver.finished)
        self.line.bring(end, text, way, done)
        if not (self.client.reset or self.server.reset):
            self._compare()
            if flight.dial and self.told.address:
                self._dial(end, peer)
            if flight.closed and self.told.address:
                self.dialler.try_closed(self.told.address, flight.closed)

    def _dial(self, end, peer):
        ports = check(self.sent[end.name], self.told, peer.receiver.stream)
        made = [part.announcement for part in self.sent[end.name] if part.announcement]
        self.dialler.dial(made[-1], self.told.address, ports[-1])

    def _compare(self, whole=True):
        for end in (self.client, self.server):
            peer = self.line.peer(end)
            told = self.told
            try:
                check(self.sent[end.name], told, peer.receiver.stream, whole)
            except Mismatch as why:
                raise Mismatch(f"{peer.name} received {why}") from why

    def _close(self):
        """Both ends finish, as after QUIT."""
        for end in (self.server, self.client):
            if end.finish is None:
                peer = self.line.peer(end)
                way = ways.Delivery((ways.Piece(0, 0),), finish=True)
                self.line.bring(end, b"", way, lambda peer=peer: peer.receiver.finished)

    def _reset(self):
        """The client ends the connection; the node forgets it and the server sees it."""
        if self.spec.close:
            return
        self.line.send(self.client, self.client.abort())
        self.client.aborted = True
        self.line.pump()
        if not self.server.reset:
            raise Stalled("the server does not learn of the reset")

    def _abandon(self):
        """Tells the node as well as can be told that the connection is over."""
        try:
            for end in (self.client, self.server):
                if end.peer is not None:
                    self.line.wire.send(end.side, end.abort(
                        sequence=end.acknowledged))
                    self.line.wire.send(end.side, end.abort())
            self.line.wire.wait()
        finally:
            for side in SIDES:
                self.line.wire.receive(side)
