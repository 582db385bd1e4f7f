# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server with a private address behind a one-to-one mapping (--forward none):
only the announced address is wrong."""
from .. import servers
from ..capture import Capture
from ..check import check, contains, equal
from ..ftpfix import Ftpfix
from ..scenario import (ABORTING_CLIENTS, every_client, must_download, must_not_download,
                        scenario, transfers)
from ..topology import CLIENT_DEVICE, EIP, SERVER_DEVICE, UPLINK, mapped

PORT = 2100
PRIVATE = "(172,17,9,135,"
PUBLIC = "(123,56,241,199,"


def _run(world, start, place):
    topology = mapped(world)
    server = start(world, topology.server, port=PORT)
    captured = world.keep(Capture(topology.client, CLIENT_DEVICE, PORT))
    clients = every_client(world, topology.client, EIP, server, ABORTING_CLIENTS)

    for client in clients:
        if client.extended:
            # The mapping carries every port, and a 229 names no address.
            must_download(client, server)
        else:
            output = must_not_download(client, server)
            contains(output, "227 ", "the client's session")
            contains(output, PRIVATE, "the announcement that reached the client")
            contains(output.lower(), "mismatch", "why the client gave up")
    check(not any(PUBLIC in line for line in captured.lines()), "the public address was announced")

    ftpfix = Ftpfix(world, *place(topology), "--port", str(PORT), "--forward", "none")
    ftpfix.mark()
    captured.forget()
    for client in clients:
        transfers(client, server)
    ftpfix.announced(rewritten=6, kept=6)
    equal(ftpfix.counted("connections expected"), 0, "expectations without forwarding")
    said = captured.lines("227 ")
    equal(len(said), 6, "227 lines")
    for line in said:
        contains(line, PUBLIC, "the announcement that reached the client")
    ftpfix.stop()


def _gateway(topology):
    return topology.balancer, "--dev", UPLINK


def _server(topology):
    return topology.server, "--dev", SERVER_DEVICE, "--advertise", EIP


for _name, _start in (("vsftpd", servers.vsftpd), ("pure-ftpd", servers.pure_ftpd)):
    for _where, _place in (("gateway", _gateway), ("server", _server)):
        scenario(f"eip: {_name}, ftpfix on the {_where}'s interface")(
            lambda world, start=_start, place=_place: _run(world, start, place))
