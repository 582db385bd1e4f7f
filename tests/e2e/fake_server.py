# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server that says what a scenario scripts, true or not, and listeners for
the data connections that it promises."""
import os
import socket
import threading

GREETINGS = {
    "USER": b"230 in\r\n",
    "TYPE": b"200 ok\r\n",
    "NOOP": b"200 ok\r\n",
    "QUIT": b"221 bye\r\n",
}


def reply_227(address, port):
    host = address.replace(".", ",")
    return f"227 Entering Passive Mode ({host},{port >> 8},{port & 255}).\r\n".encode("ascii")


class Listening:
    """Accepts connections in a namespace, each served by a thread."""

    def __init__(self, world, namespace, address, port):
        def listen():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return socket.create_server((address, port), family=family, backlog=16)
        self.socket = namespace.call(listen)
        world.keep(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()

    def _serve(self, connection, peer):
        with connection:
            try:
                self.serve(connection, peer)
            except OSError:
                pass  # the client broke off, as some scenarios want it

    def close(self):
        # Wakes the thread that waits in accept().
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        finally:
            self.socket.close()


class FakeServer(Listening):
    """`script` names for a command the segments of its reply, or what makes them of its
    line; "" those of its first words. `heard` is what it was told, line by line."""

    def __init__(self, world, namespace, address, script, port=21):
        self.script = {**{verb: [text] for verb, text in GREETINGS.items()}, **script}
        self.heard = []
        super().__init__(world, namespace, address, port)

    def serve(self, connection, peer):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for segment in self.script.get("", [b"220 scripted\r\n"]):
            connection.sendall(segment)
        with connection.makefile("rb") as commands:
            for line in commands:
                self.heard.append(line)
                verb = line.split(b" ")[0].strip().decode("ascii", "replace")
                answer = self.script.get(verb, [b"500 What?\r\n"])
                for segment in answer(line) if callable(answer) else answer:
                    connection.sendall(segment)


class DataServer(Listening):
    """Sends its content to whoever comes, and remembers who came."""

    def __init__(self, world, namespace, address, port, size=20_000):
        self.content = os.urandom(size)
        self.peers = []
        super().__init__(world, namespace, address, port)

    def serve(self, connection, peer):
        self.peers.append(peer[0])
        connection.sendall(self.content)
