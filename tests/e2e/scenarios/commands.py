# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Commands beside those that ask for a data connection: HOST, which names the
virtual address, and those that no document or nobody but RFC 1639 knows."""
from .. import servers
from ..capture import Capture
from ..check import equal
from ..control import Control
from ..fake_server import FakeServer
from ..forwarders import haproxy, nft_dnat, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import scenario
from ..topology import (CLIENT_DEVICE, SERVER_DEVICE, UPLINK, VIP, VIP6, balanced,
                        server_address, server_address6)

LONG = b"228 Entering Long Passive Mode (4,4,10,0,0,175,2,156,64)\r\n"


def _named(address):
    """The address as HOST names it (RFC 7151 section 3.1)."""
    return f"[{address}]" if ":" in address else address


def _host(world, family, mode, rewrite):
    """The server knows itself by its own address and by one name, and no other."""
    vip, own = ((VIP, server_address(0)) if family == 4 else (VIP6, server_address6(0)))
    topology = balanced(world, ipv6=family == 6)

    def answer(line):
        known = line.strip().decode() in (f"HOST {_named(own)}", "HOST ftp.example.org")
        return [b"220 that one\r\n" if known else b"504 Unknown host\r\n"]
    server = FakeServer(world, topology.server, own, {"HOST": answer})
    if mode == "fullnat":
        haproxy(world, topology, family=family)
    else:
        (nft_dnat if family == 4 else nft_dnat6)(topology)
    control = world.keep(Control(topology.client, vip))
    control.ask(f"HOST {_named(vip)}", 504)

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode,
                    "--rewrite", rewrite)
    ftpfix.mark()
    control = world.keep(Control(topology.client, vip))
    server.heard.clear()
    control.ask(f"HOST {_named(vip)}", 220)
    # It knows no lower case.
    control.ask(f"host {_named(vip)}", 500)
    control.ask("HOST ftp.example.org", 220)
    control.ask("HOST 192.0.2.1", 504)
    control.log_in(servers.ANONYMOUS)
    equal(server.heard[:2], [f"{verb} {_named(own)}\r\n".encode() for verb in ("HOST", "host")],
          "what the server heard")
    equal(server.heard[2:4], [b"HOST ftp.example.org\r\n", b"HOST 192.0.2.1\r\n"],
          "what the server heard besides")
    ftpfix.announced(host=2)
    ftpfix.stop()


for _family, _mode, _rewrite in ((4, "nat", "auto"), (4, "fullnat", "auto"), (4, "nat", "adjust"),
                                 (6, "nat", "auto"), (6, "fullnat", "auto")):
    scenario(f"commands: HOST by its virtual address, IPv{_family}, {_mode}, --rewrite {_rewrite}")(
        lambda world, family=_family, mode=_mode, rewrite=_rewrite:
        _host(world, family, mode, rewrite))


@scenario("commands: LPSV, LPRT and what nobody knows pass, and are counted")
def unknown(world):
    topology = balanced(world)
    FakeServer(world, topology.server, server_address(0),
               {"LPSV": [LONG], "LPRT": [b"200 ok\r\n"]})
    nft_dnat(topology)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    ftpfix.mark()
    control = world.keep(Control(topology.client, VIP))
    control.log_in(servers.ANONYMOUS)
    equal(control.ask("LPSV").text, LONG.decode().strip(), "the answer to LPSV")
    control.ask("LPRT 4,4,198,51,100,10,2,156,64", 200)
    for line in ("XYZZY", "PASVE", "PORTAL 1,2,3,4,5,6", "SITE PORT 1,2,3,4,5,6",
                 "XORT 198,51,100,10,156,64", "X" * 300):
        control.ask(line, 500)
    control.ask("NOOP", 200)
    equal(outside.stream(False), inside.stream(False), "what the client said")
    equal(outside.stream(True), inside.stream(True), "what the server said")
    equal((ftpfix.counted("commands long_address"), ftpfix.counted("commands unknown")), (2, 5),
          "commands counted")
    ftpfix.announced()
    equal(ftpfix.show("expected"), [], "expectations")
    ftpfix.stop()
