# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A control connection spoken byte by byte, for what real clients never do:
replies as they arrive, commands together, connections at will."""
import re
import socket
from dataclasses import dataclass

from .check import Failed

TIMEOUT = 10
# One that is told not to come back within this time is taken for lost.
LOST_TIMEOUT = 1.5


@dataclass
class Reply:
    code: int
    text: str


@dataclass(frozen=True)
class Endpoint:
    address: str
    port: int


def read_227(text):
    found = re.search(r"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", text)
    if not found:
        raise Failed(f"no endpoint in {text!r}")
    part = [int(number) for number in found.groups()]
    return Endpoint(".".join(map(str, part[:4])), part[4] * 256 + part[5])


def read_port(line):
    """The endpoint that a PORT or an EPRT names, as it names it."""
    if line[:4].upper() == "PORT":
        return read_227(line)
    _, _, address, port, _ = line.split("|")
    return Endpoint(address, int(port))


def dial(namespace, endpoint, timeout=TIMEOUT, source=None):
    """From the source where one is given, whatever was there before; its port 0 is any."""
    def connect():
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(timeout)
            if source:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                opened.bind((source.address, source.port))
            opened.connect((endpoint.address, endpoint.port))
        except BaseException:
            opened.close()
            raise
        return opened
    return namespace.call(connect)


def receive_all(connection):
    """Everything until the other side closes."""
    with connection:
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)


class Listener:
    """Where a client in active mode waits for the server."""

    def __init__(self, namespace, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = namespace.call(lambda: socket.create_server((address, 0), family=family))
        self._socket.settimeout(TIMEOUT)
        self.endpoint = Endpoint(*self._socket.getsockname()[:2])

    @property
    def port_command(self):
        parts = [*self.endpoint.address.split("."), *map(str, divmod(self.endpoint.port, 256))]
        return f"PORT {','.join(parts)}"

    @property
    def eprt_command(self):
        kind = 2 if ":" in self.endpoint.address else 1
        return f"EPRT |{kind}|{self.endpoint.address}|{self.endpoint.port}|"

    def command(self, verb):
        return self.port_command if verb == "PORT" else self.eprt_command

    def accept(self):
        """The connection, and the endpoint that it comes from."""
        connection, peer = self._socket.accept()
        return connection, Endpoint(*peer[:2])

    def close(self):
        self._socket.close()


class Control:
    def __init__(self, namespace, address, port=21, source=None):
        self.namespace = namespace
        self.address = address
        self.transcript = []
        self._buffer = b""
        self._socket = dial(namespace, Endpoint(address, port), source=source)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.greeting = self.reply()

    def close(self):
        self._socket.close()

    def abort(self):
        """Resets the connection, as a client that crashed does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()

    def send(self, *commands):
        """Sends commands as one segment."""
        self.transcript += [f"> {command}" for command in commands]
        self._socket.sendall("".join(f"{command}\r\n" for command in commands).encode("ascii"))

    def line(self):
        while b"\n" not in self._buffer:
            part = self._socket.recv(4096)
            if not part:
                raise ConnectionError("the control connection was closed")
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\n", 1)
        text = line.decode("ascii", "replace").rstrip("\r")
        self.transcript.append(f"< {text}")
        return text

    def reply(self):
        """The last line of a reply, RFC 959 section 4.2."""
        text = self.line()
        code = text[:3]
        if text[3:4] == "-":
            while not (text := self.line()).startswith(f"{code} "):
                pass
        return Reply(int(code), text)

    def ask(self, command, *expected):
        self.send(command)
        reply = self.reply()
        if expected and reply.code not in expected:
            raise Failed(f"{command}: {reply.text}")
        return reply

    def log_in(self, login):
        reply = self.ask(f"USER {login[0]}", 230, 331)
        if reply.code == 331:
            self.ask(f"PASS {login[1]}", 230)
        self.ask("TYPE I", 200)

    def passive(self):
        """The endpoint that a 227 names, as it names it."""
        return read_227(self.ask("PASV", 227).text)

    def extended(self):
        """The endpoint that a 229 names: its port at the control peer's address."""
        text = self.ask("EPSV", 229).text
        found = re.search(r"\(\|\|\|(\d+)\|\)", text)
        if not found:
            raise Failed(f"no port in {text!r}")
        return Endpoint(self.address, int(found.group(1)))

    def listen(self):
        """At the address that the control connection has."""
        return Listener(self.namespace, self._socket.getsockname()[0])

    def active(self, listener, announcement, command):
        """Downloads in active mode, to the reply that ends it; returns what came
        and where it came from."""
        self.ask(announcement, 200)
        self.send(command)
        connection, peer = listener.accept()
        content = receive_all(connection)
        for expected in ((125, 150), (226,)):
            reply = self.reply()
            if reply.code not in expected:
                raise Failed(f"{command}: {reply.text}")
        return content, peer

    def dial(self, endpoint, timeout=TIMEOUT, source=None):
        return dial(self.namespace, endpoint, timeout, source)

    def transfer(self, endpoint, command, source=None):
        """Downloads from an announced endpoint, to the reply that ends it."""
        data = self.dial(endpoint, source=source)
        try:
            self.ask(command, 125, 150)
            content = receive_all(data)
        finally:
            data.close()
        reply = self.reply()
        if reply.code != 226:
            raise Failed(f"{command}: {reply.text}")
        return content

    def store(self, endpoint, name, content):
        with self.dial(endpoint) as data:
            self.ask(f"STOR {name}", 125, 150)
            data.sendall(content)
        reply = self.reply()
        if reply.code != 226:
            raise Failed(f"STOR {name}: {reply.text}")

    def describe(self):
        return [f"control: {line}" for line in self.transcript[-40:]]
