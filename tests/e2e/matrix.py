# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every client against every server in one mode: first without ftpfix, where
each must fail although it logged in and asked, then with it. Each client has a
namespace of its own, so that what it did on the wire is known."""
import threading
from dataclasses import dataclass, field

from . import servers, servers_small
from .capture import Capture
from .check import Failed, Skipped, check, equal, wait_until
from .clients import VERBS, Curl, Ftplib, Inetutils, Lftp, Tnftp
from .clients_oneshot import BusyboxFtpget, BusyboxWget, Ncftp, Wget
from .clients_scripted import Perl, Php
from .control import Control
from .forwarders import KernelHelper
from .ftpfix import Ftpfix
from .modes import announced_port, is_announcement
from .scenario import SMALL
from .topology import CLIENT_DEVICE, SERVER_DEVICE

# A client that waits longer without ftpfix hangs.
HANGING_SECONDS = 2.5
RETRIED_SECONDS = 10
# With ftpfix a transfer takes a fraction of a second. Where several did not come,
# no more is waited for the others than without.
TRANSFER_SECONDS = 10
PATIENT_FAILURES = 3
TOLD_LINES = 12

CLIENTS = {
    "curl": Curl,
    "lftp": Lftp,
    "tnftp": Tnftp,
    "inetutils ftp": Inetutils,
    "ncftp": Ncftp,
    "wget": Wget,
    "busybox wget": BusyboxWget,
    "busybox ftpget": BusyboxFtpget,
    "CPython ftplib": Ftplib,
    "Perl Net::FTP": Perl,
    "PHP": Php,
}


@dataclass(frozen=True)
class Kind:
    """A server program: how it is started, and what it does not know."""
    start: object
    lacks: dict = field(default_factory=dict)
    # Where its data connections come from in active mode; 0 is any port.
    data_port: int = 20


SERVERS = {
    "vsftpd": Kind(servers.vsftpd),
    "proftpd": Kind(servers.proftpd),
    # From a port below 1024, but not from 20.
    "pure-ftpd": Kind(servers.pure_ftpd, data_port=0),
    "pyftpdlib": Kind(servers_small.pyftpdlib, data_port=0),
    "busybox ftpd": Kind(servers_small.busybox, {"EPRT": "busybox ftpd knows no EPRT"}, 0),
}

# Of those that are sent a 227 with a private address, the clients that dial the
# peer of the control connection instead; the others dial nobody they could
# reach. Neither helps without ftpfix.
DIALS_PEER = {"ncftp": "takes a private address for a mistake"}

# Where all is well without ftpfix, and why: (client, server, mode) to a reason.
WORKS_WITHOUT = {}


@dataclass
class Cell:
    """One client, one server, one mode; `verbs` is what it is tried with."""
    client: str
    server: str
    mode: object
    verbs: list = field(default_factory=list)
    lacks: list = field(default_factory=list)
    # What the client cannot ask with: tried once, to see that it does not.
    unable: list = field(default_factory=list)
    skipped: str = ""
    wrong: list = field(default_factory=list)
    # What was seen without ftpfix, by verb.
    without: dict = field(default_factory=dict)

    @property
    def name(self):
        return f"{self.server}, {self.mode.name}: {self.client} {' '.join(self.verbs)}"

    @property
    def result(self):
        """As the table shows it."""
        if not self.verbs:
            return "-"
        if self.skipped:
            return "skipped"
        return "FAILED" if self.wrong else " ".join(self.verbs)


def cell(client, server, mode):
    made = Cell(client, server, mode)
    kind, knows = CLIENTS[client], SERVERS[server]
    able = kind.verbs4 if mode.family == 4 else kind.verbs6
    for verb in mode.verbs:
        if verb not in able:
            made.unable.append(verb)
            made.lacks.append(kind.lacks.get(verb) or kind.lacks["IPv6"])
        elif verb in knows.lacks:
            made.lacks.append(knows.lacks[verb])
        else:
            made.verbs.append(verb)
    if mode.family == 6 and not able:
        made.lacks = [kind.lacks["IPv6"]]
    return made


class Seat:
    """One client's place: its namespace, what is captured there, its cell."""

    def __init__(self, world, namespace, mode):
        self.world = world
        self.namespace = namespace
        self.mode = mode
        self.capture = world.keep(Capture(namespace, CLIENT_DEVICE))
        self.cell = None

    def sit(self, one):
        self.cell = one
        self.capture.forget()

    def client(self, server, verb):
        (active, extended), = [flags for flags, other in VERBS.items() if other == verb]
        return CLIENTS[self.cell.client](
            self.world, self.namespace, self.mode.target, server.port, server.login,
            extended=extended, active=active)

    def clients(self, server):
        """By verb."""
        return {verb: self.client(server, verb) for verb in self.cell.verbs}

    def asked(self, verb):
        """Of each session that asked with this verb first: what was said from there
        on. A client may try another verb when this one led nowhere."""
        found = []
        for session in self.capture.sessions():
            for index, line in enumerate(session):
                if line[:4].upper() in VERBS.values():
                    if line[:4].upper() == verb:
                        found.append(session[index:])
                    break
        return found


def all_at_once(functions):
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Column:
    """One server in one mode, in a network that is there already."""

    def __init__(self, world, topology, mode, name, cure, at_server):
        self.world = world
        self.topology = topology
        self.mode = mode
        self.kind = SERVERS[name]
        self.cure = cure
        self.at_server = at_server
        self.server = None
        self._failures = 0

    def run(self, seats, try_unable):
        """Fills the cells of the seats. Returns what is wrong with the column."""
        cells = [seat.cell for seat in seats]
        try:
            self.server = self.kind.start(self.world, self.topology.server, family=self.mode.family)
        except Skipped as why:
            for one in cells:
                one.skipped = str(why) if one.verbs else ""
            return []
        try:
            wrong = self._without(seats, try_unable)
            return wrong if self.cure is None else wrong + self._with(seats)
        finally:
            self.server.process.stop()

    def _without(self, seats, try_unable):
        attempts, others = [], []
        for seat in seats:
            try:
                attempts += [(seat, verb, client)
                             for verb, client in seat.clients(self.server).items()]
                if try_unable:
                    others += [(seat, verb, seat.client(self.server, verb))
                               for verb in seat.cell.unable]
            except Skipped as why:
                seat.cell.skipped = str(why)
        all_at_once([lambda a=attempt: self._attempt(*a) for attempt in attempts]
                    + [lambda c=client: c.download(SMALL, HANGING_SECONDS)
                       for _, _, client in others])
        for seat, verb, client in attempts:
            # With so many at once one may not even have logged in.
            if not seat.asked(verb):
                self._attempt(seat, verb, client, RETRIED_SECONDS)
        for seat in seats:
            if seat.cell.skipped:
                continue
            try:
                self._judge(seat)
            except Failed as error:
                seat.cell.wrong += [f"without ftpfix: {error}", *seat.capture.describe()]
        return [f"{seat.cell.client} sent {verb}, and is said not to"
                for seat, verb, _ in others if seat.asked(verb)] + self._server_lacks(seats)

    def _server_lacks(self, seats):
        wrong = []
        for verb in self.kind.lacks:
            if verb in self.mode.verbs:
                control = self.world.keep(Control(seats[0].namespace, self.mode.target))
                control.log_in(self.server.login)
                listener = self.world.keep(control.listen())
                reply = control.ask(listener.command(verb))
                if reply.code not in (500, 502):
                    wrong.append(f"{reply.text!r} is the answer to {verb}, which it is said not "
                                 "to know")
                control.close()
        return wrong

    def _attempt(self, seat, verb, client, seconds=HANGING_SECONDS):
        try:
            outcome = client.download(SMALL, seconds)
            came = outcome.checksum() == self.server.files.checksum(SMALL)
            seat.cell.without[verb] = ("works" if came else "", outcome.output)
        except Exception as error:  # told with the cell, which fails
            seat.cell.wrong.append(f"{verb} without ftpfix: {error!r}")

    def _judge(self, seat):
        """Each must have failed, and that after it had asked."""
        one = seat.cell
        for verb, (outcome, output) in one.without.items():
            if not outcome:
                one.without[verb] = (self._why(seat, verb, output), output)
            expected = (one.client, one.server, self.mode.name) in WORKS_WITHOUT
            if expected != (outcome == "works"):
                one.wrong.append(f"{verb} without ftpfix {'works' if outcome else 'fails'}, and "
                                 f"should not: {_tail(output)}")
            if not seat.asked(verb):
                one.wrong.append(f"{verb} without ftpfix failed before it was sent: "
                                 f"{seat.capture.describe()} {_tail(output)}")
        if "PASV" in one.without:
            ports = {announced_port(line[2:]) for session in seat.asked("PASV")
                     for line in session if is_announcement(line[2:])}
            dialled = any(opening.target == self.mode.target and opening.target_port in ports
                          for opening in seat.capture.openings())
            if dialled != (one.client in DIALS_PEER):
                one.wrong.append("of a 227 with a private address the client dialled "
                                 f"{'the peer' if dialled else 'nobody'}, unlike what is known: "
                                 f"{seat.capture.describe()}")

    def _why(self, seat, verb, output):
        """What one sees of the failure, in a word or two."""
        refusals = [line[2:5] for session in seat.asked(verb) for line in session
                    if line.startswith(("< 4", "< 5"))]
        hangs = "hangs" if "[client hangs]" in output or "timed out" in output.lower() else ""
        return "/".join([*dict.fromkeys(refusals), *([hangs] if hangs else [])]) or "no way"

    def _with(self, seats):
        """Every client in turn. Returns what is wrong when they are done."""
        if not any(seat.cell.verbs for seat in seats):
            return []
        try:
            ftpfix = self.cure(self.world, self.topology, self.mode)
        except Failed as error:
            for seat in seats:
                seat.cell.wrong.append(f"not tried: {error}")
            return [str(error)]
        self.at_server.forget()
        try:
            for seat in seats:
                if not seat.cell.skipped:
                    self._client(seat)
            seen = {opening.target if self.mode.active else opening.source
                    for opening in self.at_server.openings()}
            equal(seen - self.mode.peers(len(seats)), set(), "other peers that the server saw")
            wait_until(lambda: not ftpfix.show("flows"), "no flow left")
            equal(ftpfix.show("expected"), [], "connections expected at the end")
            ftpfix.stop()
            return []
        except Failed as error:
            return [str(error), *ftpfix.describe()]
        finally:
            ftpfix.kill()

    def _client(self, seat):
        for number, (verb, client) in enumerate(seat.clients(self.server).items()):
            try:
                self._transfer(seat, verb, client, store=number == 0)
            except Exception as error:  # the other cells are not concerned
                self._failures += 1
                seat.cell.wrong += [f"{verb} with ftpfix: {error}", *seat.capture.describe()]

    def _transfer(self, seat, verb, client, store):
        seat.capture.forget()
        files = self.server.files
        patient = self._failures < PATIENT_FAILURES
        outcome = client.download(SMALL, TRANSFER_SECONDS if patient else HANGING_SECONDS)
        if outcome.checksum() != files.checksum(SMALL):
            raise Failed(f"the file did not come: {_tail(outcome.output)}")
        if store and client.stores:
            remote = f"pub/{self.mode.name}-{type(client).__name__}".replace(" ", "-")
            output = client.store(files.path(SMALL), remote)
            try:
                equal(files.checksum(remote), files.checksum(SMALL), "stored file")
            except (Failed, FileNotFoundError) as error:
                raise Failed(f"the file was not stored: {error}: {_tail(output)}") from error
        self._check_wire(seat, verb)

    def _check_wire(self, seat, verb):
        """It came the way that was meant, and from where the client may expect."""
        for other in self.mode.verbs:
            if other != verb and self._announced(seat, other):
                raise Failed(f"{other} was used as well")
        announced = self._announced(seat, verb)
        check(announced, f"{verb} was not used")
        for port in announced:
            openings = [opening for opening in seat.capture.openings()
                        if opening.target_port == port]
            check(openings, f"nobody dialled the announced port {port}")
            for opening in openings:
                if not self.mode.active:
                    equal(opening.target, self.mode.target, "dialled by the client")
                    continue
                equal(opening.source, self.mode.target, "where the data connection comes from")
                if self.kind.data_port:
                    equal(opening.source_port, self.kind.data_port, "its port")

    def _announced(self, seat, verb):
        """The ports announced, each for one data connection."""
        if self.mode.active:
            said = seat.capture.commands(verb, verb.lower())
        else:
            said = seat.capture.lines({"PASV": "227 ", "EPSV": "229 "}[verb])
        return [announced_port(line) for line in said if is_announcement(line)]


def _tail(output):
    return " | ".join(line for line in output.splitlines()[-TOLD_LINES:] if line.strip())


def with_ftpfix(world, topology, mode):
    return Ftpfix(world, topology.balancer, *mode.options)


def with_kernel_helper(_world, topology, _mode):
    return KernelHelper(topology)


def run_mode(world, mode, server_names, client_names, cure):
    """For each server its name, its cells and what is wrong with it all. Without
    a cure the failure is all there is."""
    topology = mode.build(world, len(client_names))
    seats = [Seat(world, namespace, mode) for namespace in topology.clients]
    at_server = world.keep(Capture(topology.server, SERVER_DEVICE))
    done = []
    for name in server_names:
        for seat, client in zip(seats, client_names):
            seat.sit(cell(client, name, mode))
        column = Column(world, topology, mode, name, cure, at_server)
        wrong = column.run(seats, try_unable=not done)
        done.append((name, [seat.cell for seat in seats], wrong))
    return done
