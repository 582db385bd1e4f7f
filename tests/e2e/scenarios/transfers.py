# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What clients do with a session beside one download: many files, transfers
broken off, announcements asked for and left."""
import os

from .. import servers
from ..check import check, equal, raises
from ..clients import Curl, Lftp
from ..control import Control, read_227
from ..fake_server import DataServer, FakeServer, reply_227
from ..files import MANY, checksum
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, must_download, must_not_download, scenario
from ..topology import UPLINK, VIP, balanced, server_address

BIG = "pub/big.bin"
BIG_BYTES = 20_000_000


def _session(world, forward=nft_dnat):
    """A session at vsftpd behind the balancer, shown to fail without ftpfix."""
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    forward(topology)
    server.files.write(BIG, BIG_BYTES)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")
    return topology, server, control


def _small(server):
    with open(server.files.path(SMALL), "rb") as file:
        return file.read()


def _mget(world, mode, start_forwarding):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    start_forwarding(world, topology)
    server.files.write_many()
    for extended in (False, True):
        client = Lftp(world, topology.client, VIP, server.port, server.login, extended)
        must_not_download(client, server)
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode)
        directory = os.path.join(world.directory, f"many-{extended}")
        output = client.fetch_many("pub/many/*.bin", directory, parallel=4)
        equal(sorted(os.listdir(directory)), sorted(os.listdir(server.files.path("pub/many"))),
              f"files that arrived ({output})")
        for name in os.listdir(directory):
            equal(checksum(os.path.join(directory, name)),
                  server.files.checksum(f"pub/many/{name}"), name)
        # The files, and the listing that the pattern is matched with.
        ftpfix.settle(MANY + 1)
        ftpfix.stop()


@scenario(f"transfers: lftp mget of {MANY} files, four at once, nat")
def mget_nat(world):
    _mget(world, "nat", lambda _, topology: nft_dnat(topology))


@scenario(f"transfers: lftp mget of {MANY} files, four at once, fullnat")
def mget_fullnat(world):
    _mget(world, "fullnat", haproxy)


@scenario("transfers: ABOR in the middle, the session goes on")
def aborted(world):
    topology, server, control = _session(world)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    content = _small(server)
    for announce in (control.passive, control.extended):
        ftpfix.mark()
        with control.dial(announce()) as data:
            control.ask(f"RETR {BIG}", 150)
            check(data.recv(1000), "the first bytes")
            control.send("ABOR")
        # The data connection's end breaks the transfer, before ABOR or by it.
        codes = [control.reply().code, control.reply().code]
        equal(codes, [426, 225], "replies to an aborted transfer")
        check(control.transfer(announce(), f"RETR {SMALL}") == content, "the next transfer")
        ftpfix.settle(2)
    ftpfix.stop()


@scenario("transfers: the data connection closed in the middle, the session goes on")
def broken_off(world):
    topology, server, control = _session(world)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    content = _small(server)
    with control.dial(control.passive()) as data:
        control.ask(f"RETR {BIG}", 150)
        check(data.recv(1000), "the first bytes")
    equal(control.reply().code, 426, "reply to a transfer broken off")
    for _ in range(3):
        check(control.transfer(control.passive(), f"RETR {SMALL}") == content, "a later transfer")
    ftpfix.settle(4)
    ftpfix.stop()


@scenario("transfers: the control connection reset in the middle, nothing remains")
def control_lost(world):
    topology, server, control = _session(world)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    data = control.dial(control.passive())
    control.ask(f"RETR {BIG}", 150)
    control.abort()
    data.close()
    ftpfix.settle(1)
    again = world.keep(Control(topology.client, VIP))
    again.log_in(server.login)
    check(again.transfer(again.passive(), f"RETR {SMALL}") == _small(server), "a new session")
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("transfers: a second PASV before the first was used")
def asked_twice(world):
    topology, server, control = _session(world)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    content = _small(server)
    ftpfix.mark()
    control.passive()
    check(control.transfer(control.passive(), f"RETR {SMALL}") == content, "after two PASV")
    control.passive()
    check(control.transfer(control.extended(), f"RETR {SMALL}") == content, "after PASV and EPSV")
    ftpfix.announced(rewritten=3, kept=1)
    equal(ftpfix.counted("connections opened"), 2, "data connections")
    ftpfix.stop()


@scenario("transfers: two PASV in one segment, either endpoint is good")
def pipelined(world):
    topology = balanced(world)
    ports = iter((40000, 40001) * 2)
    data = {port: DataServer(world, topology.server, server_address(0), port)
            for port in (40000, 40001)}

    class Pasv:
        """The reply to each PASV names the next port."""
        def __iter__(self):
            return iter([reply_227(server_address(0), next(ports))])
    FakeServer(world, topology.server, server_address(0), {"PASV": Pasv()})
    nft_dnat(topology)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(servers.ANONYMOUS)

    def ask_twice():
        control.send("PASV", "PASV")
        return [read_227(control.reply().text) for _ in range(2)]
    for endpoint in ask_twice():
        raises(OSError, lambda e=endpoint: control.dial(e), "dialling without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    for endpoint, port in reversed(list(zip(ask_twice(), (40000, 40001)))):
        equal(endpoint.address, VIP, "announced")
        with control.dial(endpoint) as connection:
            got = connection.makefile("rb").read()
        check(got == data[port].content, f"the content of port {port}")
    ftpfix.announced(rewritten=2)
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("transfers: curl as it is, which asks for EPSV and keeps the peer's address")
def curl_default(world):
    topology, server, _ = _session(world)
    obedient = Curl(world, topology.client, VIP, server.port, server.login)
    default = Curl(world, topology.client, VIP, server.port, server.login, extended=True)
    for client in (obedient, default):
        must_not_download(client, server)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    for client in (obedient, default):
        must_download(client, server)
    ftpfix.settle(2)
    ftpfix.stop()
