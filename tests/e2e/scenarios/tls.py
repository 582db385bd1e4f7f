# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""FTP over TLS: what is encrypted passes byte for byte and is not read, what is
plain before and after is."""
import ftplib
import socket
import ssl

from .. import servers
from ..capture import Capture
from ..check import check, contains, equal, raises
from ..clients import Curl
from ..clients_tls import CurlTls, LftpTls
from ..control import Control, read_227
from ..fake_server import DataServer, FakeServer, reply_227
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, must_download, must_not_download, scenario
from ..topology import (CLIENT_DEVICE, SERVER_DEVICE, UPLINK, VIP, balanced, server_address)

SERVER = server_address(0)
DATA_PORTS = (30000, 30009)


def _site(world, start_forwarding, **options):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, tls=True, passive=DATA_PORTS, **options)
    start_forwarding(world, topology)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    return topology, server, outside, inside


def _passes(world, mode, start_forwarding):
    topology, server, outside, inside = _site(world, start_forwarding)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode)
    ftpfix.mark()
    curl = CurlTls(world, topology.client, VIP, server.port, server.login)
    contains(curl.size(SMALL), "Content-Length: 300000", "what the session says")
    equal(ftpfix.counted("sessions opaque"), 1, "sessions that became opaque")
    for by_server in (False, True):
        check(outside.stream(by_server), "the session was seen")
        equal(outside.stream(by_server), inside.stream(by_server), "the session's bytes")
    check(b"AUTH " in inside.stream(False) and b"PASS " not in inside.stream(False),
          "the login is encrypted")
    # What is encrypted nobody can follow.
    must_not_download(curl, server)
    ftpfix.announced()
    equal(ftpfix.show("expected"), [], "expectations")
    equal(ftpfix.counted("packets held"), 0, "packets held")
    # Beside it, what is plain is served as ever.
    must_download(Curl(world, topology.client, VIP, server.port, server.login), server)
    ftpfix.settle(1)
    ftpfix.stop()


scenario("tls: vsftpd, nftables, what is encrypted passes byte for byte")(
    lambda world: _passes(world, "nat", lambda _, topology: nft_dnat(topology)))
scenario("tls: vsftpd, HAProxy, what is encrypted passes byte for byte")(
    lambda world: _passes(world, "fullnat", haproxy))


@scenario("tls: a server that announces its public address serves, beside ftpfix")
def announced(world):
    topology, server, _, _ = _site(world, lambda _, topology: nft_dnat(topology), announced=VIP)
    topology.balancer.run("nft", "-f", "-", text_in=f"""
        table ip range {{
            chain in {{
                type nat hook prerouting priority dstnat
                ip daddr {VIP} tcp dport {DATA_PORTS[0]}-{DATA_PORTS[1]} dnat to {SERVER}
            }}
        }}""")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    for kind in (CurlTls, LftpTls):
        for extended in (False, True):
            must_download(kind(world, topology.client, VIP, server.port, server.login, extended),
                          server)
    ftpfix.announced()
    equal(ftpfix.counted("sessions opaque"), 4, "sessions that became opaque")
    # The same server's plain sessions are followed.
    must_download(Curl(world, topology.client, VIP, server.port, server.login), server)
    ftpfix.stop()


@scenario("tls: where AUTH is refused the session stays plain and is served")
def refused(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    nft_dnat(topology)
    with open(server.files.path(SMALL), "rb") as file:
        content = file.read()
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    control = world.keep(Control(topology.client, VIP))
    control.ask("AUTH TLS", 530)
    control.ask("AUTH SSL", 530)
    control.log_in(server.login)
    check(control.transfer(control.passive(), f"RETR {SMALL}") == content, "a transfer")
    # In one segment: what is behind AUTH waits for the answer to it.
    control.send("AUTH TLS", "PASV")
    check(control.reply().code >= 500, "AUTH is refused")
    endpoint = read_227(control.reply().text)
    equal(endpoint.address, VIP, "announced behind AUTH")
    check(control.transfer(endpoint, f"RETR {SMALL}") == content, "a transfer")
    equal(ftpfix.counted("sessions opaque"), 0, "sessions that became opaque")
    ftpfix.announced(rewritten=2)
    ftpfix.settle(2)
    ftpfix.stop()


class TlsServer(FakeServer):
    """Accepts AUTH, and CCC within it."""

    def __init__(self, world, namespace, address, script):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(servers.certificate(world))
        super().__init__(world, namespace, address, script)

    def serve(self, connection, peer):
        connection.sendall(b"220 scripted\r\n")
        while line := self._line(connection):
            verb = line.split()[0].decode()
            if verb == "AUTH":
                connection.sendall(b"234 go on\r\n")
                connection = self._context.wrap_socket(connection, server_side=True)
            elif verb == "CCC":
                connection.sendall(b"200 in the clear\r\n")
                connection = connection.unwrap()
            else:
                connection.sendall(b"".join(self.script.get(verb, [b"500 What?\r\n"])))

    @staticmethod
    def _line(connection):
        line = b""
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                return None
            line += byte
        return line


@scenario("tls: after CCC the session is plain again, and followed")
def cleared(world):
    topology = balanced(world)
    data = DataServer(world, topology.server, SERVER, 40000)
    TlsServer(world, topology.server, SERVER, {"PASV": [reply_227(SERVER, 40000)],
                                               "PASS": [b"230 in\r\n"]})
    nft_dnat(topology)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def talk(reads):
        with ftplib.FTP_TLS(context=context, timeout=10) as ftp:
            ftp.trust_server_pasv_ipv4_address = True
            ftp.connect(VIP, 21)
            ftp.login(*servers.ANONYMOUS)
            hidden = ftp.makepasv()
            ftp.ccc()
            ftp.voidcmd("NOOP")
            clear = ftp.makepasv()
            if not reads:
                return hidden, clear, b""
            with socket.create_connection(clear, 10) as connection:
                return hidden, clear, connection.makefile("rb").read()
    without = topology.client.call(lambda: talk(False))
    equal(without[:2], ((SERVER, 40000),) * 2, "announced without ftpfix")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    hidden, clear, content = topology.client.call(lambda: talk(True))
    equal(hidden, (SERVER, 40000), "announced within TLS")
    equal(clear, (VIP, 40000), "announced after CCC")
    ftpfix.announced(rewritten=1)
    equal(ftpfix.counted("sessions opaque"), 1, "sessions that became opaque")
    equal(ftpfix.counted("sessions resumed"), 2, "directions that are read again")
    check(content == data.content, "the data connection")
    ftpfix.settle(1)
    ftpfix.stop()
