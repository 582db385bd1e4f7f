# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The oracle's own tests: what it must accept, and faults that it must notice."""
from . import chance, packet
from .cases import CASES
from .delivery import AFTER, Delivery, Piece, cut
from .end import Traits
from .modes import FAMILIES, MODES, announce
from .receiver import Corrupted, Receiver
from .reference import Announcement, Mismatch, Text, Told, check
from .runner import Tally
from .scripts import LOGIN, NOOP, OK, announcing_lines, sessions
from .session import HUNG, RIGHT, WRONG, Flight, Session, Spec
from .model import ModelLab
from .stub import StubLab

TESTS = []
PASSIVE = MODES[0]


def test(name):
    def add(function):
        TESTS.append((f"oracle: {name}", function))
        return function
    return add


def same(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


# The dataplane that is right, and those that are not.

def _spec(delivery=None, dial=True, close=False):
    line = announcing_lines(PASSIVE, FAMILIES[4])[0]
    return Spec(LOGIN + (Flight("client", (Text(b"PASV\r\n"),)),
                         Flight("server", (line.text,), delivery, dial),
                         Flight("client", (NOOP,)), Flight("server", (OK,))),
                client=Traits(delayed=False), server=Traits(2_000_000), close=close)


LENGTH = len(announcing_lines(PASSIVE, FAMILIES[4])[0].text.line)
TWICE = Delivery((Piece(0, LENGTH), Piece(0, LENGTH)), burst=True)
LOST = Delivery((Piece(0, LENGTH, AFTER),))
HOLE = Delivery((Piece(0, 20, AFTER), Piece(20, LENGTH)), burst=True)

# Fault, how the announcement is delivered, the verdict, a part of the reason.
FAULTS = (
    ("drops a byte", None, WRONG, "client received"),
    ("changes a byte", None, WRONG, "client received"),
    ("adds a byte", None, WRONG, ""),
    ("leak", None, WRONG, "an inside address is on the outside wire"),
    ("leak in a duplicate", None, WRONG, "an inside address is on the outside wire"),
    ("leak when sent again", LOST, WRONG, "an inside address is on the outside wire"),
    ("other bytes when sent again", TWICE, WRONG, "then as"),
    ("acknowledges too much", None, WRONG, "acknowledged, of"),
    ("acknowledges and loses", None, WRONG, "everything is acknowledged"),
    ("SACK edges", HOLE, WRONG, "SACK block"),
    ("timestamps", None, WRONG, "timestamp"),
    ("checksum", None, WRONG, "no host accepts: TCP checksum"),
    ("stranger", None, WRONG, "from another address"),
    ("no hole", None, WRONG, "a SYN to the endpoint told did not arrive"),
    ("hole elsewhere", None, WRONG, "a SYN to the endpoint told came out at"),
    ("port outside of the range", None, WRONG, "outside of 20000..29999"),
    ("another address", None, WRONG, "to be told 203.0.113.5"),
    ("leading zero", None, WRONG, "to be told 203.0.113.5"),
    ("command lost", None, HUNG, "after"),
    ("reset lost", None, HUNG, "learn of the reset"),
)


@test("a right node gets through every delivery of a whole line")
def right_node():
    for delivery in (None, TWICE, LOST):
        for close in (False, True):
            outcome = Session(StubLab(), FAMILIES[4], _spec(delivery, close=close)).play()
            same((outcome.verdict, outcome.why), (RIGHT, ""), "verdict")


def _fault(fault, delivery, verdict, why):
    @test(f"notices: {fault}")
    def notices():
        outcome = Session(StubLab(fault), FAMILIES[4], _spec(delivery)).play()
        same(outcome.verdict, verdict, f"verdict ({outcome.why})")
        if why not in outcome.why:
            raise AssertionError(f"another reason: {outcome.why}")
        if not outcome.packets:
            raise AssertionError("no packets are shown")


for _one in FAULTS:
    _fault(*_one)


@test("notices: FIN lost")
def fin_lost():
    outcome = Session(StubLab("FIN lost"), FAMILIES[4], _spec(close=True)).play()
    same(outcome.verdict, HUNG, f"verdict ({outcome.why})")


@test("notices: a retransmission time-out where none may be needed")
def late():
    # What comes after the cut is the line's end, so that this node has nothing to do.
    text = Text(b"227 nothing\r\n")
    spec = Spec(LOGIN + (Flight("server", (text,), cut(len(text.line), 5, wait=True)),))
    outcome = Session(StubLab("swallows the head once"), FAMILIES[4], spec).play()
    same((outcome.verdict, outcome.timeouts), (RIGHT, 1), "verdict and time-outs")
    tally = Tally()
    tally.add("a session", outcome, prompt=True)
    same((tally.right, tally.verdicts), (0, {"late": 1}), "tally")


# Every so many sessions of a case, and so many random ones.
SAMPLE = 60
RANDOM = 150


def _accepts(label, spec, prompt=False):
    outcome = Session(ModelLab(PASSIVE), FAMILIES[4], spec).play()
    if outcome.verdict != RIGHT or prompt and outcome.timeouts:
        raise AssertionError("\n".join([f"{label}: {outcome.verdict}: {outcome.why}, "
                                        f"{outcome.timeouts} time-outs", *outcome.packets]))


@test("accepts a node that keeps heads of lines back and adjusts sequence numbers")
def model_node():
    for case in CASES:
        for number, (label, spec) in enumerate(sessions(PASSIVE, FAMILIES[4], case)):
            # It does not listen to the client.
            if number % SAMPLE == 0 and "unasked" not in label:
                _accepts(label, spec, case.prompt)


@test("accepts it in random sessions")
def model_node_random():
    for seed in range(RANDOM):
        _accepts(f"seed {seed}", chance.session(seed, PASSIVE, FAMILIES[4]))


# The reference.

def _told(syntax, form, received, good, told=Told("203.0.113.5", 20000, 29999)):
    address = "10.0.0.175" if told.address != "2001:db8::1" else "2001:db8::2"
    text = announce(syntax, form, address, 25100)
    try:
        check([text], told, received)
        accepted = True
    except Mismatch:
        accepted = False
    same(accepted, good, f"{received!r} accepted")


@test("what the reference accepts, and what it does not")
def reference():
    for received, good in (
            (b"227 Entering Passive Mode (203,0,113,5,98,12).\r\n", True),
            (b"227 Entering Passive Mode (203,0,113,5,98,12)\r\n", True),
            (b"227 Entering Passive Mode (203,0,113,5,98,1)..\r\n", True),
            (b"227 Entering Passive Mode(203,0,113,5,98,12)\r\n", True),
            (b"227 EnteringPassiveMode(203,0,113,5,98,12)\r\n", True),
            (b"227 Entering Passive Mode (203,0,113,5,98,12) \r\n", False),
            (b"227 Entering Passive Mode (203,0,113,5,098,12)\r\n", False),
            (b"227 Entering Passive Mode (203,0,113,5,98,256)\r\n", False),
            (b"227 Entering Passive Mode (203,0,113,5,8,12)\r\n", False),
            (b"227 Entering Passive Mode (203,0,113,5,98,12).\n", False),
            (b"227 Passive (203,0,113,5,98,12).\r\n", False),
            (b"227 Entering Passive Mode (10,0,0,175,98,12).\r\n", False),
            (b"227 Entering Passive Mode (203,0,113,5,98,12).\r\nx", False),
            (b"227 Entering Passive Mode (203,0,113,5,98,12).", False)):
        _told("227", "vsftpd", received, good)
    for received, good in ((b"227 203,0,113,5,98,12\r\n", True),
                           (b"227 203,0,113,5,98,12.\r\n", False)):
        _told("227", "sys-ftpd", received, good)
    _told("227", "aioftp", b"227-listen socket created\r\n227(203,0,113,5,98,12)\r\n", False)
    _told("227", "aioftp", b"227-listen socket created\r\n227 (203,0,113,5,98,12)\r\n", True)
    for received, good in (
            (b"229 Entering Extended Passive Mode (|||25100|)\r\n", True),
            (b"229 Entering Extended Passive Mode (|||20001|)..\r\n", True),
            (b"229 EnteringExtended Passive Mode (|||20001|)\r\n", False),
            (b"229 Entering Extended Passive Mode (|||020001|)\r\n", False)):
        _told("229", "vsftpd", received, good)


@test("what the reference accepts of clients")
def reference_active():
    told = Told("10.0.0.1", 20000, 29999)
    for received, good in ((b"PORT 10,0,0,1,98,12\r\n", True),
                           (b"PORT 10,0,0,1,098,012\r\n", True),
                           (b"PORT 010,0,0,1,98,12\r\n", False),
                           (b"port 10,0,0,1,98,12\r\n", False)):
        _told("PORT", "upper", received, good, told)
    six = Told("2001:db8::1", 20000, 29999)
    for received, good in ((b"EPRT |2|2001:db8::1|25100|\r\n", True),
                           (b"EPRT |2|2001:db8::1|000025100|\r\n", True),
                           (b"EPRT |2|2001:db8:0::1|25100|\r\n", False),
                           (b"EPRT |1|2001:db8::1|25100|\r\n", False)):
        _told("EPRT", "upper", received, good, six)
    plain = Text(b"PORT 10,0,0,9,98,12\r\n", Announcement("PORT", "10.0.0.9", 25100))
    check([plain], Told(None), plain.line)


# TCP.

@test("a receiver puts pieces together, keeps its window, and compares what comes again")
def receiver():
    end = Receiver(20)
    same(end.take(4, b"efgh", False), False, "in order")
    same(end.waiting, [(4, 8)], "waiting")
    end.take(10, b"kl", False)
    same(end.waiting, [(10, 12), (4, 8)], "waiting, newest first")
    end.take(2, b"cdef", False)
    same(end.take(0, b"abc", False), False, "in order with a hole behind")
    same((bytes(end.stream), end.waiting), (b"abcdefgh", [(10, 12)]), "stream")
    try:
        end.compare(6, b"gX")
        raise AssertionError("another byte was not noticed")
    except Corrupted:
        pass
    end.take(8, b"ijkl" + b"m" * 20, True)
    same((len(end.stream), end.finished), (20, False), "stream at the window's edge")
    end.window()
    same(end.take(20, b"n", True), True, "in order")
    same((end.finished, end.next), (True, 22), "FIN")


@test("a packet that is written is read, and its checksums are right")
def packets():
    for addresses in (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")):
        path = packet.Path((b"\2" * 6, b"\4" * 6), *map(packet.packed, addresses), 21, 4000)
        frame = path.frame(5, 6, packet.ACK, 7, packet.options_of((8, 9), [(10, 11)]), b"abc")
        segment = packet.read(frame)
        same((segment.sequence, segment.acknowledgement, segment.window, segment.timestamps,
              segment.sack, segment.payload), (5, 6, 7, (8, 9), ((10, 11),), b"abc"), "segment")
        for place in range(packet.ETHERNET, len(frame)):
            broken = bytearray(frame)
            broken[place] ^= 0x10
            try:
                packet.read(bytes(broken))
            except packet.Malformed:
                continue
            # IPv6 has no checksum of its header.
            if len(addresses[0]) != 11 or place not in (*range(15, 18), 21):
                raise AssertionError(f"byte {place} was changed, and it was not noticed")
    # RFC 1071 section 3.
    same(packet.ones_sum(bytes.fromhex("0001f203f4f5f6f7")), 0xDDF2, "sum of RFC 1071")


@test("a seed makes one session, always the same")
def seeds():
    mode = chance.choose(7, MODES, [4, 6])
    same(chance.choose(7, MODES, [4, 6]), mode, "mode")
    for mode in MODES:
        for family in FAMILIES.values():
            one, again = (chance.session(7, mode, family) for _ in range(2))
            same(one, again, "session")
    different = {chance.session(seed, PASSIVE, FAMILIES[4]) for seed in range(20)}
    same(len(different), 20, "different sessions of 20 seeds")


@test("every case brings every byte at least once")
def complete():
    for case in CASES:
        if case.fit == "holes":
            continue
        for delivery in case.deliveries(30):
            brought = set()
            for piece in delivery.pieces:
                brought.update(range(piece.start, piece.end))
            same(brought, set(range(30)), f"bytes of {case.name}")
