# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What servers, their users and strangers try with announcements (RFC 2577):
text that looks like one, endpoints that are none of theirs, ports stolen or
hoarded. Each opens nothing, and is counted with its reason."""
import time

from .. import servers
from ..capture import Capture
from ..check import check, contains, equal, raises, wait_until
from ..control import Control, Endpoint, dial, read_227
from ..fake_server import DataServer, FakeServer, reply_227
from ..forwarders import KernelHelper, haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, scenario
from ..topology import (CLIENT_DEVICE, UPLINK, VIP, balanced, client_address, server_address)
from .strict import PORT, SERVER, Scripted

RIGHT = reply_227(SERVER, PORT)
PASSIVE = b"227 Entering Passive Mode (%s)\r\n"
EXTENDED = b"229 Entering Extended Passive Mode (%s)\r\n"


def _ask(control, *commands, lines=3):
    control.send(*commands)
    return [control.line() for _ in range(lines)]


# Text that looks like an announcement. Each segment is one of the list, so that the
# line begins one: what looks at the beginning of segments alone takes it for true.
STATUS = [b"211-Status\r\n", RIGHT, b"211 End\r\n"]
HELP = [b"214-The following are known:\r\n", RIGHT, b"214 Help ok.\r\n"]
LISTING = [b"213-Status of /:\r\n", RIGHT, b"213 End\r\n"]
NAME = [b'550 "/a\r\n', RIGHT, b'": no such file\r\n']


def _text(name, verb, segments, reason, outstanding, helped):
    @scenario(f"attacks: {name}{', PASV outstanding' if outstanding else ''}")
    def run(world):
        # A PASV that is never answered.
        commands = (["PASV"] if outstanding else []) + [verb]
        scripted = Scripted(world, {"PASV": [], verb: segments})
        without = _ask(scripted.control, *commands)
        if helped:
            helper = KernelHelper(scripted.topology)
            said = _ask(scripted.log_in(scripted.topology.client), *commands)
            equal(read_227(said[1]), Endpoint(VIP, PORT), "what the kernel's helper says")
            check(scripted.served(Endpoint(VIP, PORT)), "the kernel's helper opens the port")
            helper.stop()
            scripted.data.peers.clear()
        ftpfix = scripted.ftpfix()
        equal(_ask(scripted.log_in(scripted.topology.client), *commands), without, "the text")
        ftpfix.announced(**{reason: 1})
        equal(ftpfix.show("expected"), [], "expectations")
        check(not scripted.served(Endpoint(VIP, PORT)), "the port is closed")
        equal(scripted.data.peers, [], "data connections at the server")
        ftpfix.stop()
    return run


for _outstanding in (False, True):
    _text("a 227 in a status", "STAT", STATUS, "multiline", _outstanding, not _outstanding)
    _text("a 227 in a help text", "HELP", HELP, "multiline", _outstanding, False)
    _text("a file's name in a listing is a 227", "STAT", LISTING, "multiline", _outstanding, False)
_text("a name with a line end in it and a 227", "RETR", NAME, "unasked", False, True)


@scenario("attacks: a 227 in the banner")
def banner(world):
    scripted = Scripted(world, {"": [b"220-Welcome\r\n", RIGHT, b"220 ready\r\n"]})
    ftpfix = scripted.ftpfix()
    scripted.inside.forget()
    scripted.outside.forget()
    scripted.log_in(scripted.topology.client)
    scripted.unchanged()
    ftpfix.announced(multiline=1)
    equal(ftpfix.show("expected"), [], "expectations")
    check(not scripted.served(Endpoint(VIP, PORT)), "the port is closed")
    ftpfix.stop()


def _numbers(name, verb, form, port_low, malformed):
    @scenario(f"attacks: {name}")
    def run(world):
        bad = [(form % inner, reason) for reason, inners in
               (("port_low", port_low), ("malformed", malformed)) for inner in inners]
        told = iter(line for line, _ in bad)

        class Next:
            def __iter__(self):
                return iter([next(told)])
        scripted = Scripted(world, {verb: Next()})
        ftpfix = scripted.ftpfix()
        for line, _ in bad:
            equal(scripted.control.ask(verb).text, line.decode().rstrip("\r\n"), "the announcement")
            equal(ftpfix.show("expected"), [], f"expectations after {line!r}")
        scripted.unchanged()
        ftpfix.announced(port_low=len(port_low), malformed=len(malformed))
        for port in (PORT, 21, 22, 80, 1023):
            check(not scripted.served(Endpoint(VIP, port)), f"port {port} is closed")
        ftpfix.stop()
    return run


_numbers("numbers in a 227 that are no endpoint", "PASV", PASSIVE,
         [b"10,0,0,175,0,80", b"10,0,0,175,3,255", b"10,0,0,175,0,0"],
         [b"10,0,0,175,156", b"10,0,0,175,156,64,1", b"10,0,0,256,156,64", b"10,0,0,175,256,64",
          b"10,0,0,175,156,256", b"10,0,0,175,-1,64", b"1000,0,0,175,156,64",
          b"10,0,0,175,156,40000", b"10,0,0,175,,64", b"10, 0, 0, 175, 156, 64",
          b"10,0,0,175,156,0x40"])
_numbers("numbers in a 229 that are no port", "EPSV", EXTENDED,
         [b"|||80|", b"|||1023|", b"|||0|"],
         [b"|||65536|", b"|||4000000000|", b"||||", b"|||-1|", b"|||40000", b"|40000|"])


@scenario("attacks: a 227 that names another inside host leads to the server itself")
def another_host(world):
    """RFC 2577: a private address stands for the server that says it."""
    topology = balanced(world, servers=2)
    other = server_address(1)
    own = DataServer(world, topology.server, SERVER, PORT)
    hidden = DataServer(world, topology.servers[1], other, PORT)
    FakeServer(world, topology.server, SERVER, {"PASV": [reply_227(other, PORT)]})
    # The second server serves no FTP here.
    topology.servers.pop()
    nft_dnat(topology)
    for options, reached, reasons in (
            ((), own, {"rewritten": 1}),
            (("--server", SERVER), None, {"address_refused": 1}),
            (("--allow", "address"), hidden, {"rewritten": 1})):
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, *options)
        ftpfix.mark()
        control = world.keep(Control(topology.client, VIP))
        control.log_in(servers.ANONYMOUS)
        endpoint = control.passive()
        ftpfix.announced(**reasons)
        if reached:
            equal(endpoint, Endpoint(VIP, PORT), "announced")
            with control.dial(endpoint) as data:
                check(data.makefile("rb").read() == reached.content, f"whose content: {options}")
        else:
            equal(endpoint.address, other, "announced")
            raises(OSError, lambda: control.dial(Endpoint(VIP, PORT)), "dialling")
        ftpfix.stop()
    equal((len(own.peers), len(hidden.peers)), (1, 1), "data connections")


def _bounce_site(world, mode):
    topology = balanced(world, clients=2)
    server = servers.vsftpd(world, topology.server, promiscuous=True)
    if mode == "nat":
        nft_dnat(topology)
    else:
        haproxy(world, topology)
    at_victim = world.keep(Capture(topology.clients[1], CLIENT_DEVICE))
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    victim = world.keep(Control(topology.clients[1], VIP))
    with open(server.files.path(SMALL), "rb") as file:
        return topology, server, at_victim, control, victim, file.read()


def _bounce(world, mode):
    topology, server, at_victim, control, victim, content = _bounce_site(world, mode)
    target = world.keep(victim.listen())
    control.ask(target.command("PORT"), 200)
    control.send(f"RETR {SMALL}")
    # Its packets come to the victim's door.
    wait_until(at_victim.openings, "the server dials the victim without ftpfix")
    control.abort()

    def log_in():
        made = world.keep(Control(topology.client, VIP))
        made.log_in(server.login)
        return made
    control = log_in()
    # The server still tries the other one.
    target = world.keep(victim.listen())

    options = ("--dev", UPLINK, "--forward", mode)
    ftpfix = Ftpfix(world, topology.balancer, *options)
    ftpfix.mark()
    for number, verb in enumerate(("PORT", "EPRT"), 1):
        check(control.ask(target.command(verb)).code >= 500, f"{verb} is refused")
        control.ask("NOOP", 200)
        ftpfix.announced(bounce=number)
        equal(ftpfix.show("expected"), [], "expectations")
    control.ask(f"RETR {SMALL}", 425)
    for verb in ("PORT", "EPRT"):
        listener = world.keep(control.listen())
        got, _ = control.active(listener, listener.command(verb), f"RETR {SMALL}")
        check(got == content, f"the content after {verb}")
    check(not any(opening.target_port == target.endpoint.port for opening in at_victim.openings()),
          "who dials the victim")
    ftpfix.settle(2)
    ftpfix.stop()

    ftpfix = Ftpfix(world, topology.balancer, *options, "--fxp")
    control = log_in()
    control.ask(target.command("PORT"), 200)
    control.send(f"RETR {SMALL}")
    data, peer = target.accept()
    with data:
        check(data.makefile("rb").read() == content, "the content with --fxp")
    equal(peer.address, VIP, "where it comes from")
    equal([control.reply().code, control.reply().code], [150, 226], "replies")
    ftpfix.stop()


for _mode in ("nat", "fullnat"):
    scenario(f"attacks: FTP bounce by PORT and EPRT, {_mode}: a 500, and the session goes on")(
        lambda world, mode=_mode: _bounce(world, mode))


@scenario("attacks: PORT and EPRT of low ports are refused")
def low_ports(world):
    topology, _, _, control, _, _ = _bounce_site(world, "nat")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    numbers = client_address(0).replace(".", ",")
    for port in (0, 20, 25, 80, 1023):
        said = control.ask(f"PORT {numbers},{port >> 8},{port & 255}")
        contains(said.text.lower(), "unknown command", "the answer to PORT")
        said = control.ask(f"EPRT |1|{client_address(0)}|{port}|")
        contains(said.text.lower(), "unknown command", "the answer to EPRT")
    ftpfix.announced(port_low=8 + 2)
    equal(ftpfix.show("expected"), [], "expectations")
    ftpfix.stop()


@scenario("attacks: nobody else gets at an announced port, and the one who may still does")
def stolen(world):
    scripted = Scripted(world, {"PASV": [RIGHT], "EPSV": [EXTENDED % b"|||40000|"]}, clients=3)
    thieves = scripted.topology.clients[1:]
    ftpfix = scripted.ftpfix()
    for announce in (scripted.control.passive, scripted.control.extended):
        endpoint = announce()
        for thief in thieves * 3:
            check(not scripted.served(endpoint, thief), "a thief is not served")
        # Nor does a session of the thief's own help it.
        other = scripted.log_in(thieves[0])
        check(not scripted.served(endpoint, thieves[0]), "a thief with a session")
        check(scripted.served(endpoint), "the one who asked")
        other.close()
    equal(set(scripted.data.peers), {client_address(0)}, "data connections at the server")
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("attacks: --fxp serves whoever comes first, once")
def stolen_with_fxp(world):
    scripted = Scripted(world, {"PASV": [RIGHT]}, clients=2)
    ftpfix = scripted.ftpfix("--fxp")
    endpoint = scripted.control.passive()
    check(scripted.served(endpoint, scripted.topology.clients[1]), "another server's connection")
    check(not scripted.served(endpoint), "the one who asked, later")
    ftpfix.settle(1)
    ftpfix.stop()


@scenario("attacks: of more than four announcements the last four stay open")
def hoarding(world):
    count, kept = 7, 4
    ports = [PORT + number for number in range(count)]
    told = iter(ports)

    class Next:
        def __iter__(self):
            return iter([reply_227(SERVER, next(told))])
    scripted = Scripted(world, {"PASV": Next()})
    data = [DataServer(world, scripted.topology.server, SERVER, port, 1000)
            for port in ports[1:]]
    ftpfix = scripted.ftpfix()
    endpoints = [scripted.control.passive() for _ in ports]
    equal(sorted(entry["public"] for entry in ftpfix.show("expected")),
          sorted(f"{VIP}:{port}" for port in ports[-kept:]), "expected")
    equal(ftpfix.counted("connections replaced"), count - kept, "replaced")
    for endpoint in endpoints[:-kept]:
        raises(OSError, lambda e=endpoint: dial(scripted.topology.client, e, 1.5), "an old one")
    for endpoint, server in list(zip(endpoints[1:], data))[-kept:]:
        with scripted.control.dial(endpoint) as connection:
            check(connection.makefile("rb").read() == server.content, "a newer one")
    ftpfix.settle(kept)
    ftpfix.stop()


@scenario("attacks: an announced port closes after --expect-timeout")
def expired(world):
    scripted = Scripted(world, {"PASV": [RIGHT]})
    ftpfix = scripted.ftpfix("--expect-timeout", "2")
    endpoint = scripted.control.passive()
    equal(len(ftpfix.show("expected")), 1, "expectations")
    time.sleep(2.1)
    check(not scripted.served(endpoint), "the port is closed")
    wait_until(lambda: ftpfix.counted("connections nobody_came") == 1, "nobody came")
    wait_until(lambda: not ftpfix.show("expected"), "no expectation left")
    check(scripted.served(scripted.control.passive()), "a new one")
    ftpfix.settle(1)
    ftpfix.stop()


@scenario("attacks: after EPSV ALL neither PORT, EPRT nor PASV is followed")
def epsv_all(world):
    topology = balanced(world)
    server = servers.pure_ftpd(world, topology.server)
    nft_dnat(topology)
    with open(server.files.path(SMALL), "rb") as file:
        content = file.read()

    def session():
        control = world.keep(Control(topology.client, VIP))
        control.log_in(server.login)
        return control, world.keep(control.listen())
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    control, listener = session()
    control.ask("EPSV ALL", 220, 200)
    for number, verb in enumerate(("PORT", "EPRT"), 1):
        check(control.ask(listener.command(verb)).code >= 500, f"{verb} is refused")
        ftpfix.announced(after_epsv_all=number)
    check(control.transfer(control.extended(), f"RETR {SMALL}") == content, "EPSV still serves")
    ftpfix.announced(after_epsv_all=2, kept=1)
    # Of one session alone.
    control, listener = session()
    got, _ = control.active(listener, listener.command("PORT"), f"RETR {SMALL}")
    check(got == content, "another session")
    ftpfix.settle(2)
    ftpfix.stop()
