# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A server that greets whoever comes, and keeps every connection without a thread for it.

    sink.py ADDRESS PORT
"""
import selectors
import socket
import sys


def serve(listener):
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.sendall(b"220 sink\r\n")
                selector.register(connection, selectors.EVENT_READ)
                continue
            try:
                ended = not key.fileobj.recv(1 << 16)
            except ConnectionResetError:
                ended = True
            if ended:
                selector.unregister(key.fileobj)
                key.fileobj.close()


if __name__ == "__main__":
    serve(socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=4096))
