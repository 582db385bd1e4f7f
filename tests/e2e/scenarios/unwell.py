# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No server of a virtual address is well: nobody new comes in, and whoever is in is served on
by the one whom he is at."""
import signal

from .. import servers
from ..balancing import balancer, network, vip
from ..check import check, equal, raises, wait_until
from ..control import Control, Endpoint, dial, receive_all
from ..files import checksum_of
from ..scenario import SMALL, scenario

HEALTH = ("--health-interval", "1", "--health-timeout", "1", "--health-fall", "1",
          "--health-rise", "1")
# More than waits in buffers on its way.
BIG = "pub/big.bin"
BIG_BYTES = 20_000_000


def _states(ftpfix):
    return [server["state"] for server in ftpfix.show("servers")]


class _Session:
    """One whose first transfer has begun, and waits for its reader."""

    def __init__(self, world, client, address, started):
        self._control = world.keep(Control(client, address))
        self._server = started[self._control.greeting.text.split()[1].strip("()")]
        self._control.log_in(self._server.login)
        self._data = world.keep(self._control.dial(self._control.extended()))
        self._control.ask(f"RETR {BIG}", 125, 150)

    def finish(self):
        equal(checksum_of(receive_all(self._data)), self._server.files.checksum(BIG),
              "a transfer during which no server was well")
        equal(self._control.reply().code, 226, "the server's last word of it")
        content = self._control.transfer(self._control.extended(), f"RETR {SMALL}")
        equal(checksum_of(content), self._server.files.checksum(SMALL),
              "a transfer begun while no server was well")


def _none_is_well(world, mode, family, balance):
    topology = network(world, clients=3, count=2, family=family)
    started = {namespace.role: servers.vsftpd(world, namespace, family=family)
               for namespace in topology.servers}
    for server in started.values():
        server.files.write(BIG, BIG_BYTES)
    ftpfix = balancer(world, topology, *HEALTH, "--balance", balance, mode=mode, family=family)
    sessions = [_Session(world, client, vip(family), started) for client in topology.clients]

    # They greet nobody any more; what they forked for their sessions goes on.
    for server in started.values():
        server.process.send(signal.SIGSTOP)
    wait_until(lambda: _states(ftpfix) == ["down", "down"], "both servers are down")
    before = ftpfix.counted("balanced no_server")
    for client in topology.clients:
        raises(ConnectionRefusedError, lambda one=client: dial(one, Endpoint(vip(family), 21)),
               "a new session")
    equal(ftpfix.counted("balanced no_server") - before, len(sessions), "sessions refused")
    for session in sessions:
        session.finish()
    ftpfix.settle(2 * len(sessions))
    equal(ftpfix.counted("balanced opened"), len(sessions), "sessions that servers got")

    for server in started.values():
        server.process.send(signal.SIGCONT)
    wait_until(lambda: _states(ftpfix) == ["up", "up"], "both are up again")
    with dial(topology.client, Endpoint(vip(family), 21)) as opened:
        check(opened.recv(100).startswith(b"220"), "a session is taken again")
    ftpfix.stop()


for _mode, _family, _balance in (("nat", 4, "least-connections"), ("fullnat", 6, "maglev")):
    scenario(f"unwell: no server is, new sessions are refused, the others go on, {_mode}, "
             f"IPv{_family}, {_balance}")(
        lambda world, one=(_mode, _family, _balance): _none_is_well(world, *one))
