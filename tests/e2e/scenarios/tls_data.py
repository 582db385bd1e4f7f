# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Data connections of FTP over TLS where ftpfix is the balancer: carried by the ports that
the servers are known to announce."""
from .. import servers
from ..balancing import (add_addresses, balancer, by_role, destinations, greeting,
                         mostly_by_xdp, network, vip)
from ..cables import need_redirected, take_redirected, whole_checksums
from ..check import equal, raises, wait_until
from ..clients_tls import CurlTls, FtplibTls
from ..control import Endpoint, dial
from ..files import checksum_of
from ..scenario import SMALL, must_download, must_list, none_may_download, scenario
from ..topology import VIP

PORTS = (30000, 30009)
RANGE = ("--tls-data-ports", f"{PORTS[0]}-{PORTS[1]}")


def _serve(world, topology, family=4, passive=PORTS):
    """Each server announces the virtual address itself."""
    return by_role(world, topology, family=family, tls=True, passive=passive,
                   announced=VIP if family == 4 else None)


def _talk(topology, source=None):
    """A session of the client's, all of it encrypted."""
    def talk():
        ftp = FtplibTls(source)
        ftp.connect(VIP, 21)
        ftp.login(*servers.ANONYMOUS)
        ftp.prot_p()
        return ftp
    return topology.client.call(talk)


def _clients(world, mode, family, options):
    if "native" in options:
        need_redirected()
    topology = network(world, count=2, family=family)
    take_redirected(topology)
    whole_checksums(topology)
    started = _serve(world, topology, family)
    # Not lftp: where CPUs are short it gives up, also without ftpfix.
    clients = [CurlTls(world, topology.client, vip(family), 21, servers.ANONYMOUS, extended)
               for extended in (False, True) if extended or family == 4]

    ftpfix = balancer(world, topology, mode=mode, family=family)
    role = greeting(topology.client, vip(family))
    none_may_download(clients, started[role])
    equal(ftpfix.counted("connections opened"), 0, "connections opened without the range")
    ftpfix.stop()

    ftpfix = balancer(world, topology, *RANGE, *options, mode=mode, family=family)
    # No uploads: vsftpd ends with what it has not decrypted yet, also without ftpfix.
    for client in clients:
        must_download(client, started[role])
        must_list(client)
    equal([entry["public"].rsplit(":", 1)[1] for entry in ftpfix.show("expected")],
          [f"{PORTS[0]}-{PORTS[1]}"], "what is expected")
    if "native" in options:
        mostly_by_xdp(ftpfix)
    ftpfix.announced()
    ftpfix.settle(2 * len(clients))
    equal(ftpfix.counted("connections unexpected"), 0, "connections that were not expected")
    ftpfix.stop()


for _mode, _family, _options in (("nat", 4, ("--xdp", "native")), ("fullnat", 4, ()),
                                 ("nat", 4, ("--path", "stack")), ("nat", 6, ()),
                                 ("fullnat", 6, ("--xdp", "native"))):
    scenario(f"tls: behind the balancer, {_mode}, IPv{_family}, {' '.join(_options) or 'TC'}")(
        lambda world, one=(_mode, _family, _options): _clients(world, *one))


@scenario("tls: behind the balancer, two servers that announce one port at once")
def one_port(world):
    topology = network(world, count=2)
    started = _serve(world, topology, passive=(PORTS[0], PORTS[0]))
    sources = add_addresses(topology.client, 12)
    ftpfix = balancer(world, topology, *RANGE)
    found = destinations(topology.client, VIP, sources)
    source = {role: address for address, role in found.items()}
    equal(set(source), set(started), "each server has a client")

    opened = []
    for role, address in sorted(source.items()):
        ftp = world.keep(_talk(topology, address))
        ftp.voidcmd("TYPE I")
        opened.append((role, ftp, topology.client.call(
            lambda ftp=ftp: ftp.ntransfercmd(f"RETR {SMALL}")[0])))
    for role, ftp, data in opened:
        content = data.makefile("rb").read()
        data.close()
        equal(checksum_of(content), started[role].files.checksum(SMALL), f"file of {role}")
        ftp.voidresp()
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("tls: behind the balancer, a client reaches no other port, and nobody else any")
def closed(world):
    topology = network(world, count=2)
    _serve(world, topology)
    stranger, = add_addresses(topology.client, 1)
    ftpfix = balancer(world, topology, *RANGE, "--expect-timeout", "2")
    ftp = world.keep(_talk(topology))
    endpoint = Endpoint(*ftp.makepasv())

    def fails(to, source=None):
        raises(OSError, lambda: dial(topology.client, to, 0.5, source), f"dialling {to}")
    equal(endpoint.address, VIP, "what the server announces")
    fails(endpoint, Endpoint(stranger, 0))
    fails(Endpoint(VIP, PORTS[1] + 1))
    dial(topology.client, endpoint).close()
    wait_until(lambda: not ftpfix.show("expected"), "the expectation ran out")
    fails(endpoint)
    equal(ftpfix.counted("connections unexpected"), 3, "what was not expected")
    equal(ftpfix.counted("connections nobody_came"), 0, "who is missed")
    ftpfix.stop()
