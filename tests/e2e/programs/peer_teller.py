# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tells everyone who connects to ADDRESS PORT which endpoint it seems to have: as text, its
address and its port."""
import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.create_server((address, port), family=family, backlog=64) as listener:
    while True:
        connection, peer = listener.accept()
        with connection:
            connection.sendall(f"{peer[0]} {peer[1]}".encode("ascii"))
