# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The list of scenarios, and what they have in common: a client that must come
through with the right bytes, or must not."""
from concurrent.futures import ThreadPoolExecutor

from .check import Failed, equal
from .clients import HANGING_SECONDS, Curl, Ftplib, Inetutils, Lftp, Tnftp

SCENARIOS = []

# Everything that the clients of a scenario are tried with.
CLIENTS = (Tnftp, Inetutils, Curl, Lftp, Ftplib)
# Those that end the transfer when the announced address is not the dialled one.
ABORTING_CLIENTS = (Tnftp, Inetutils)

SMALL = "pub/small.bin"


def scenario(name):
    def add(function):
        SCENARIOS.append((name, function))
        return function
    return add


def label(client):
    return f"{type(client).__name__} {client.verb}"


def every_client(world, namespace, address, server, kinds=CLIENTS, active=False):
    """Each kind of client, once with PASV and once with EPSV; or with PORT and
    with EPRT; with what it has of them."""
    made = [kind(world, namespace, address, server.port, server.login, extended, active)
            for kind in kinds for extended in (False, True)]
    return [one for one in made if one.verb in (one.verbs6 if one.ipv6 else one.verbs4)]


def must_download(client, server, remote=SMALL):
    outcome = client.download(remote)
    if outcome.checksum() != server.files.checksum(remote):
        raise Failed(f"{label(client)} did not get {remote}: {outcome.output}")


def must_not_download(client, server, remote=SMALL):
    """Returns what the client said about it."""
    outcome = client.download(remote, HANGING_SECONDS)
    if outcome.checksum() == server.files.checksum(remote):
        raise Failed(f"{label(client)} got {remote}, and must not: {outcome.output}")
    return outcome.output


def none_may_download(clients, server):
    """All at once, since some hang; returns what they said."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda client: must_not_download(client, server), clients))


def must_upload(client, server, name):
    local = server.files.path(SMALL)
    remote = f"pub/{name}-{label(client).replace(' ', '-')}"
    output = client.store(local, remote)
    try:
        equal(server.files.checksum(remote), server.files.checksum(SMALL), "uploaded file")
    except (Failed, FileNotFoundError) as error:
        raise Failed(f"{label(client)} did not store {remote}: {error}: {output}") from error


def must_list(client):
    output = client.list("pub")
    if "small.bin" not in output:
        raise Failed(f"{label(client)} got no listing: {output}")


def transfers(client, server, name="up"):
    """Three data connections: a download, an upload, a listing."""
    must_download(client, server)
    must_upload(client, server, name)
    must_list(client)
    return 3
