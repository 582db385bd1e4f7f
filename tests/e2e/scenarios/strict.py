# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server that announces what it must not, and clients that come where they
are not expected: passed unchanged or not served, and counted."""
from .. import servers
from ..capture import Capture
from ..check import Failed, check, equal
from ..control import LOST_TIMEOUT, Control, Endpoint, dial, read_227, receive_all
from ..fake_server import DataServer, FakeServer, reply_227
from ..forwarders import nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import scenario
from ..topology import (CLIENT_DEVICE, SERVER_DEVICE, UPLINK, VIP, balanced, client_address,
                        server_address)

SERVER = server_address(0)
PORT = 40000
FOREIGN = "192.0.2.77"


class Scripted:
    """A scripted server behind the balancer, seen from both sides."""

    def __init__(self, world, script, clients=1):
        self.world = world
        self.topology = balanced(world, clients=clients)
        self.data = DataServer(world, self.topology.server, SERVER, PORT)
        FakeServer(world, self.topology.server, SERVER, script)
        nft_dnat(self.topology)
        self.outside = world.keep(Capture(self.topology.client, CLIENT_DEVICE))
        self.inside = world.keep(Capture(self.topology.server, SERVER_DEVICE))
        self.control = self.log_in(self.topology.client)

    def log_in(self, namespace):
        control = self.world.keep(Control(namespace, VIP))
        control.log_in(servers.ANONYMOUS)
        return control

    def ftpfix(self, *options):
        started = Ftpfix(self.world, self.topology.balancer, "--dev", UPLINK, *options)
        started.mark()
        return started

    def unchanged(self):
        """What reached the client is what the server said."""
        equal(self.outside.lines(), self.inside.lines(), "lines at the client")

    def served(self, endpoint, namespace=None):
        """Whether the endpoint leads to the data server."""
        try:
            connection = dial(namespace or self.topology.client, endpoint, LOST_TIMEOUT)
        except OSError:
            return False
        try:
            content = receive_all(connection)
        except OSError:
            return False
        if content != self.data.content:
            raise Failed("served, but not with the right content")
        return True


def _refused(name, announced, reason, *options):
    """The announcement passes unchanged, is counted, and opens nothing."""
    @scenario(f"strict: {name}")
    def run(world):
        script = {"PASV": [reply_227(*announced)]}
        world_of = Scripted(world, script)
        without = world_of.control.passive()
        ftpfix = world_of.ftpfix(*options)
        equal(world_of.control.passive(), without, "the announcement")
        world_of.unchanged()
        ftpfix.announced(**{reason: 1})
        equal(ftpfix.show("expected"), [], "expectations")
        check(not world_of.served(Endpoint(VIP, announced[1])), "the port is closed")
        equal(world_of.data.peers, [], "data connections at the server")
        ftpfix.stop()
    return run


_refused("a foreign public address is refused", (FOREIGN, PORT), "address_refused")
_refused("a port below 1024 is refused", (SERVER, 80), "port_low")
_refused("a server that --server does not name is refused", (SERVER, PORT), "address_refused",
         "--server", "10.0.0.200", "192.168.0.0/16")


def _said(name, segments, commands, lines, pick, reasons):
    """The server answers PASV with these segments; of the lines that reach the
    client number `pick` is looked at. It is rewritten and carried, or it passes
    unchanged and opens nothing; every other line passes unchanged."""
    @scenario(f"strict: {name}")
    def run(world):
        scripted = Scripted(world, {"PASV": segments, "STAT": [_STATUS], "NOOP": [_RIGHT]})

        def ask():
            scripted.control.send(*commands)
            return [scripted.control.line() for _ in range(lines)]
        without = ask()
        check(not scripted.served(Endpoint(VIP, PORT)), "served without ftpfix")

        ftpfix = scripted.ftpfix()
        said = ask()
        ftpfix.announced(**reasons)
        equal(said[:pick] + said[pick + 1:], without[:pick] + without[pick + 1:], "other lines")
        if "rewritten" in reasons:
            equal(read_227(said[pick]), Endpoint(VIP, PORT), "the announcement")
            check(scripted.served(read_227(said[pick])), "the data connection")
            ftpfix.settle(1)
        else:
            equal(said[pick], without[pick], "the announcement")
            equal(ftpfix.show("expected"), [], "expectations")
            check(not scripted.served(Endpoint(VIP, PORT)), "the port is closed")
        ftpfix.stop()
    return run


_RIGHT = reply_227(SERVER, PORT)
_OTHER = reply_227(SERVER, PORT + 1)
_STATUS = b"211-Status\r\n" + _OTHER + b"211 End\r\n"

_said("a 227 that nobody asked for", [_RIGHT], ["NOOP"], 1, 0, {"unasked": 1})
_said("a second 227 to one PASV", [_RIGHT + _OTHER], ["PASV"], 2, 0,
      {"rewritten": 1, "unasked": 1})
_said("a 227 inside a multi-line reply, then the true one", [_RIGHT], ["STAT", "PASV"], 4, 3,
      {"multiline": 1, "rewritten": 1})
_said("a 227 that does not begin its segment", [b"200 first\r\n" + _RIGHT], ["PASV"], 2, 1,
      {"rewritten": 1})
_said("a 227 between other replies in one segment",
      [b"200 first\r\n" + _RIGHT + b"200 last\r\n"], ["PASV"], 3, 1, {"rewritten": 1})
_said("a 227 with no endpoint in it", [b"227 Entering Passive Mode (10,0,0,175)\r\n"],
      ["PASV"], 1, 0, {"malformed": 1})
_said("a 227 with a number that no address has",
      [b"227 Entering Passive Mode (10,0,0,999,156,64)\r\n"], ["PASV"], 1, 0, {"malformed": 1})
_said("a 227 after a space is no reply", [b" " + _RIGHT], ["PASV"], 1, 0, {})
_said("a 227 cut by a segment boundary", [_RIGHT[:34], _RIGHT[34:]], ["PASV"], 1, 0,
      {"rewritten": 1})


@scenario("strict: an expectation serves the client that asked, and no other")
def other_client(world):
    scripted = Scripted(world, {"PASV": [_RIGHT]}, clients=2)
    asking, other = scripted.topology.clients
    check(not scripted.served(scripted.control.passive()), "served without ftpfix")
    ftpfix = scripted.ftpfix()
    endpoint = scripted.control.passive()
    check(not scripted.served(endpoint, other), "another client is not served")
    equal(scripted.data.peers, [], "data connections at the server")
    check(scripted.served(endpoint, asking), "the client that asked is served")
    equal(scripted.data.peers, [client_address(0)], "data connections at the server")
    ftpfix.settle(1)
    ftpfix.stop()


@scenario("strict: an expectation serves one connection")
def second_connection(world):
    scripted = Scripted(world, {"PASV": [_RIGHT]})
    check(not scripted.served(scripted.control.passive()), "served without ftpfix")
    ftpfix = scripted.ftpfix()
    endpoint = scripted.control.passive()
    first = scripted.control.dial(endpoint)
    check(not scripted.served(endpoint), "a second connection beside the first")
    check(receive_all(first) == scripted.data.content, "the first connection")
    check(not scripted.served(endpoint), "a second connection after the first")
    equal(scripted.data.peers, [client_address(0)], "data connections at the server")
    ftpfix.settle(1)
    ftpfix.stop()


@scenario("strict: an address that --server names is served")
def named_server(world):
    scripted = Scripted(world, {"PASV": [_RIGHT]})
    check(not scripted.served(scripted.control.passive()), "served without ftpfix")
    ftpfix = scripted.ftpfix("--server", f"{SERVER}/32")
    check(scripted.served(scripted.control.passive()), "served")
    ftpfix.announced(rewritten=1)
    ftpfix.settle(1)
    ftpfix.stop()
