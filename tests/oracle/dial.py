# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tries the endpoint that an end was told: a SYN to it must come out at the
endpoint that was announced, and the answer must come back."""
from . import packet
from .end import Wrong
from .packet import ACK, RST, SYN, Path, packed

ACTIVE_PORT = 20
# A data connection's packets are waited for a little longer.
TRIES = 8


class Dialler:
    def __init__(self, line, mode, family, client, server):
        self._line, self._mode, self._family = line, mode, family
        self._client, self._server = client, server
        self._count = 0

    def dial(self, announcement, told, port):
        """`told` is the address that was told, `port` the port."""
        caller, called, out = self._knock(told, port)
        seen, own_port = self._seen(caller), out.source_port
        syn = self._expect(called, "a SYN to the endpoint told")
        where = (syn.destination, syn.destination_port)
        if where != (packed(announcement.address), announcement.port) or syn.flags != SYN:
            raise Wrong(f"a SYN to the endpoint told came out at {where[0].hex()} {where[1]}")
        if syn.source != seen or self._mode.active and syn.source_port != ACTIVE_PORT:
            raise Wrong(f"it came from {syn.source.hex()} {syn.source_port}")
        back = self._path(called, syn.destination, syn.source, syn.destination_port,
                          syn.source_port)
        self._line.wire.send(called.side, back.frame(
            999, syn.sequence + 1, SYN | ACK, 64240, packet.syn_options(1460, True, None, 7)))
        answer = self._expect(caller, "the answer to it")
        if (answer.source, answer.source_port) != (packed(told), port) or \
                answer.destination_port != own_port or answer.flags != SYN | ACK:
            raise Wrong(f"the answer came from {answer.source.hex()} {answer.source_port}")
        self._line.wire.send(caller.side, out.frame(778, answer.sequence + 1, RST | ACK, 0))
        if not self._expect(called, "the reset of it").flags & RST:
            raise Wrong("the data connection was not reset")

    def try_closed(self, told, port):
        """A SYN to an endpoint that nobody was told must not come out at that port. It
        may come out at another one, which a session before announced and left."""
        caller, called, out = self._knock(told, port)
        for _ in range(TRIES):
            self._line.collect()
            came = [segment for side, segment in self._line.other if side == called.side]
            self._line.other.clear()
            for segment in came:
                if not segment.flags & SYN:
                    continue
                self._line.wire.send(caller.side, out.frame(778, 0, RST, 0))
                if segment.destination_port == port:
                    raise Wrong(f"a SYN to port {port}, which must be closed, came out")
            self._line.wire.wait()
        self._line.other.clear()

    def _knock(self, told, port):
        """Sends a SYN; returns who calls whom, and the path of it."""
        self._count += 1
        caller, called = ((self._server, self._client) if self._mode.active
                          else (self._client, self._server))
        own_port = ACTIVE_PORT
        if not self._mode.active:
            own_port = 1024 + (self._client.path.source_port * 7 + self._count * 911) % 60000
        out = self._path(caller, caller.path.source, packed(told), own_port, port)
        self._line.other.clear()
        self._line.wire.send(caller.side, out.frame(777, 0, SYN, 64240, packet.syn_options(
            1460, True, None, 7)))
        return caller, called, out

    def _seen(self, caller):
        """The caller's address at the called end."""
        if self._mode.inside_clients:
            return caller.path.source
        if self._mode.active:
            return packed(self._family.vip)
        return self._server.path.destination

    def _path(self, end, *endpoints):
        return Path(self._line.wire.macs[end.side], *endpoints)

    def _expect(self, end, what):
        """The one packet that must arrive there."""
        for _ in range(TRIES):
            self._line.collect()
            for side, segment in self._line.other:
                if side == end.side:
                    self._line.other.clear()
                    return segment
            self._line.wire.wait()
        raise Wrong(f"{what} did not arrive")
