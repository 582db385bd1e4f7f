# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The files that servers offer, and the checksums that must arrive."""
import hashlib
import os

SMALL_BYTES = 300_000
MANY = 60


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_of(content):
    return hashlib.sha256(content).hexdigest()


class Files:
    """A server's directory: pub/ is written by anyone, the root by nobody."""

    def __init__(self, world, name):
        self.root = os.path.join(world.directory, name)
        os.makedirs(self.path("pub", "many"))
        os.chmod(self.path("pub"), 0o777)
        self.write("pub/small.bin", SMALL_BYTES)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def write(self, name, size):
        with open(self.path(name), "wb") as file:
            while size > 0:
                file.write(os.urandom(min(size, 1 << 20)))
                size -= 1 << 20
        os.chmod(self.path(name), 0o644)

    def write_many(self):
        for number in range(MANY):
            self.write(f"pub/many/{number:02}.bin", 2000 + number)

    def checksum(self, name):
        return checksum(self.path(name))
