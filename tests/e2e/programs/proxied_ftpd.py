# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""pyftpdlib as an FTP server that expects a PROXY header in front of control connections, and
takes for its client whom the header names. Its arguments are v1 or v2, the only version that it
reads then, and pyftpdlib's own."""
import ipaddress
import socket
import struct
import sys

from pyftpdlib import __main__ as pyftpdlib

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
VERSION_2_PROXY = 0x21
# The bytes of an address, for TCP over IPv4 and over IPv6.
ADDRESS_BYTES = {0x11: 4, 0x21: 16}


def receive(connection, size):
    """So many bytes, and none of what follows them."""
    content = connection.recv(size, socket.MSG_WAITALL)
    if len(content) != size:
        raise ConnectionError(f"the connection ended in its header: {content!r}")
    return content


def read_v1(connection):
    line = b""
    while not line.endswith(b"\r\n"):
        line += receive(connection, 1)
    word, _family, source, _target, port, _target_port = line.decode("ascii").split()
    if word != "PROXY":
        raise ValueError(f"no header: {line!r}")
    return source, int(port)


def read_v2(connection):
    signature, command, family, length = struct.unpack("!12sBBH", receive(connection, 16))
    if signature != SIGNATURE or command != VERSION_2_PROXY:
        raise ValueError(f"no header: {signature!r} {command:#x}")
    addresses, size = receive(connection, length), ADDRESS_BYTES[family]
    port, = struct.unpack_from("!H", addresses, 2 * size)
    return str(ipaddress.ip_address(addresses[:size])), port


read_header = {"v1": read_v1, "v2": read_v2}[sys.argv.pop(1)]


class Introduced(socket.socket):
    """A connection that comes from whom its header names."""

    def __init__(self, connection):
        super().__init__(fileno=connection.detach())
        self.setblocking(True)
        self._client = read_header(self)

    def getpeername(self):
        return self._client


class Handler(pyftpdlib.FTPHandler):
    # Data connections have no header, and come from the balancer.
    permit_foreign_addresses = True

    def __init__(self, connection, server, ioloop=None):
        super().__init__(Introduced(connection), server, ioloop)


pyftpdlib.FTPHandler = Handler
pyftpdlib.main()
