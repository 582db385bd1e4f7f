# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""nftables DNAT forwards the control connection; ftpfix carries the data
connections to the server and keeps the client's address (--forward nat)."""
from .. import servers
from ..cables import PriorityTags, tagged_frames, whole_checksums
from ..capture import Capture
from ..check import check, contains, equal, raises
from ..clients import Curl
from ..control import Control, Endpoint, read_227
from ..files import SMALL_BYTES
from ..forwarders import nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import (SMALL, every_client, must_not_download, scenario, transfers)
from ..topology import (CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK, VIP, balanced,
                        client_address, server_address)


def _unknown_hosts(capture):
    """How often HOST was answered by 504 (RFC 7151 section 3.3)."""
    return sum(line.startswith("HOST ") and answer.startswith("< 504")
               for said in capture.sessions() for line, answer in zip(said, said[1:]))


def _every_client(world, start):
    topology = balanced(world)
    server = start(world, topology.server)
    nft_dnat(topology)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    clients = every_client(world, topology.client, VIP, server)

    for client in clients:
        must_not_download(client, server)
    contains("\n".join(outside.lines("227 ")), "(10,0,0,175,", "the 227 that reached the client")
    equal(outside.announcements(), inside.announcements(), "announcements on the way")
    named = outside.commands("HOST ")
    equal(_unknown_hosts(outside), len(named), "virtual addresses that the server does not know")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    outside.forget()
    inside.forget()
    connections = sum(transfers(client, server) for client in clients)
    check(all("(10,0,0,175," in line for line in inside.lines("227 ")), "the server's 227")
    for line in outside.lines("227 "):
        equal(read_227(line).address, VIP, f"the address in {line!r}")
    # A port is kept, so that a 229 is right as it is.
    equal(outside.lines("229 "), inside.lines("229 "), "229 lines on both sides")
    hosts = outside.commands("HOST ")
    equal(bool(hosts), bool(named), "HOST is said as before")
    equal(inside.commands("HOST "), [f"HOST {server_address(0)}"] * len(hosts),
          "HOST at the server")
    equal(_unknown_hosts(outside), 0, "virtual addresses that the server does not know")
    ftpfix.announced(rewritten=connections // 2, kept=connections // 2,
                     **({"host": len(hosts)} if hosts else {}))
    ftpfix.settle(connections)
    ftpfix.stop()


for _name, _start in (("vsftpd", servers.vsftpd), ("pure-ftpd", servers.pure_ftpd),
                      ("proftpd", servers.proftpd)):
    scenario(f"nat: {_name}, five clients, PASV and EPSV")(
        lambda world, start=_start: _every_client(world, start))


@scenario("nat: the server sees the client's own address")
def client_address_kept(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    nft_dnat(topology)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    announced = control.passive()
    equal(announced.address, server_address(0), "announced without ftpfix")
    raises(OSError, lambda: control.dial(announced), "dialling a private address")
    raises(ConnectionRefusedError, lambda: control.dial(Endpoint(VIP, announced.port)),
           "dialling the balancer, which forwards no data")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--server-dev", INSIDE)
    endpoint = control.passive()
    equal(endpoint.address, VIP, "announced with ftpfix")
    with control.dial(endpoint) as data:
        seen = topology.server.run("ss", "-Htn", f"sport = :{endpoint.port}").stdout
        mine = ":".join(map(str, data.getsockname()))
        contains(seen, mine, "the peer of the data connection at the server")
        contains(mine, client_address(0), "the client's address")
        flow, = ftpfix.show("flows")
        equal((flow["client"], flow["source"], flow["public"], flow["server"]),
              (mine, mine, f"{VIP}:{endpoint.port}", f"{server_address(0)}:{endpoint.port}"),
              "the flow as ftpfix shows it")
        control.ask(f"RETR {SMALL}", 150)
        while data.recv(1 << 16):
            pass
        flow, = ftpfix.show("flows")
        equal((flow["state"], flow["bytes_to_server"], flow["bytes_to_client"]),
              ("half closed", 0, SMALL_BYTES), "the flow when the file has come")
    equal(control.reply().code, 226, "end of the transfer")
    ftpfix.settle(1)
    ftpfix.stop()


@scenario("nat: --data-ports, ports kept inside the range and remapped outside of it")
def data_ports(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, passive=(30000, 30100))
    nft_dnat(topology)
    with open(server.files.path(SMALL), "rb") as file:
        content = file.read()
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")
    raises(OSError, lambda: control.dial(control.extended()), "dialling without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--data-ports", "21000-21999")
    ftpfix.mark()
    for announce in (control.passive, control.extended):
        endpoint = announce()
        equal(endpoint.address, VIP, "public address")
        check(21000 <= endpoint.port <= 21999, f"public port {endpoint.port} is out of range")
        equal(control.transfer(endpoint, f"RETR {SMALL}") == content, True, "same content")
    ftpfix.announced(rewritten=2)
    ftpfix.settle(2)

    ftpfix.set("data-ports", "30000-30100")
    ftpfix.mark()
    for announce in (control.passive, control.extended):
        endpoint = announce()
        expected, = ftpfix.show("expected")
        equal(expected["public"], f"{VIP}:{endpoint.port}", "expected as announced")
        equal(expected["target"], f"{server_address(0)}:{endpoint.port}", "port kept")
        equal(control.transfer(endpoint, f"RETR {SMALL}") == content, True, "same content")
    ftpfix.announced(rewritten=1, kept=1)
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("nat: a 229 with no room for the public port is adjusted, at equal length it passes")
def no_room(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, passive=(4000, 4100))
    nft_dnat(topology)
    with open(server.files.path(SMALL), "rb") as file:
        content = file.read()
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")

    def transferred(announce):
        endpoint = announce()
        check(21000 <= endpoint.port <= 21999, f"public port {endpoint.port} is out of range")
        check(control.transfer(endpoint, f"RETR {SMALL}") == content, "same content")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--data-ports", "21000-21999",
                    "--rewrite", "equal-length")
    ftpfix.mark()
    check(4000 <= control.extended().port <= 4100, "the server's own port")
    ftpfix.announced(length=1)
    equal(ftpfix.show("expected"), [], "expectations")
    transferred(control.passive)
    ftpfix.announced(length=1, rewritten=1)
    ftpfix.settle(1)
    ftpfix.stop()

    # It takes the session up where it is.
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--data-ports", "21000-21999")
    ftpfix.mark()
    for _ in range(3):
        transferred(control.extended)
        transferred(control.passive)
    ftpfix.announced(adjusted=3, rewritten=3)
    ftpfix.settle(6)
    ftpfix.stop()


@scenario("nat: several control ports, and one that ftpfix was not told of")
def control_ports(world):
    topology = balanced(world)
    started = {port: servers.vsftpd(world, topology.server, port=port)
               for port in (21, 2100, 2121)}
    for port in started:
        nft_dnat(topology, port)
    sessions = {port: world.keep(Control(topology.client, VIP, port)) for port in started}
    for port, control in sessions.items():
        control.log_in(started[port].login)
        raises(OSError, lambda c=control: c.dial(c.passive()), "dialling without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--port", "21", "2100")
    ftpfix.mark()
    for port in (21, 2100):
        with open(started[port].files.path(SMALL), "rb") as file:
            content = file.read()
        endpoint = sessions[port].passive()
        check(sessions[port].transfer(endpoint, f"RETR {SMALL}") == content, "same content")
    ftpfix.announced(rewritten=2)
    equal(sessions[2121].passive().address, server_address(0), "announced on another port")
    ftpfix.announced(rewritten=2)
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("nat: frames from clients that tell their priority, and no VLAN")
def priority(world):
    topology = balanced(world)
    whole_checksums(topology)
    PriorityTags(world, topology.client)
    server = servers.vsftpd(world, topology.server)
    nft_dnat(topology)
    client = Curl(world, topology.client, VIP, server.port, server.login)
    must_not_download(client, server)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    tagged = {device: tagged_frames(namespace, device) for namespace, device in (
        (topology.balancer, UPLINK), (topology.server, SERVER_DEVICE))}
    connections = transfers(client, server)
    check(tagged[UPLINK]() > 0, "frames come with tags")
    equal(tagged[SERVER_DEVICE](), 0, "frames with tags that reached the server")
    equal(ftpfix.counted("packets vlan"), 0, "packets that count as those of a VLAN")
    ftpfix.settle(connections)
    ftpfix.stop()
