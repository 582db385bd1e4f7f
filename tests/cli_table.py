# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What tests/cli.py writes into the table of flows, as the programs would.

Knows the table's layout, on its own, and where a flow stands in it.
"""
import struct
import time

from cli_world import mapped

GROUP_SLOTS = 16
TAG_FIRST = 2
SYN, FIN = 1, 2
SETTLED, CLOSED, LIVE = 2, 4, 128
UPLINK_IN, INSIDE_IN = 0, 2
CONTROL = 4

WORD = 2**64 - 1
PRIMES = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0xd6e8feb86659fd93


def be_tuple(source, source_port, destination, destination_port):
    return (mapped(source) + mapped(destination) +
            struct.pack(">HH", source_port, destination_port))


def ago(seconds):
    return time.monotonic_ns() - seconds * 10**9


def mixed(total, words, primes, shifts):
    for word, prime, shift in zip(words, primes, shifts):
        total = (total ^ word) * prime & WORD
        total ^= total >> shift
    return total


def flow_key(packets, seed):
    """The three words that stand for a be_tuple."""
    words = struct.unpack("=8IHH", packets)
    ports = words[8:]
    if words[:3] == struct.unpack("=3I", mapped("0.0.0.0")[:12]):
        return words[3], words[7], ports[0] << 16 | ports[1]
    pairs = [high << 32 | low for high, low in zip(words[::2], words[1::2])]
    one = mixed(seed, pairs, PRIMES[:1] * 5, [32] * 5)
    other = mixed(seed ^ WORD, pairs, PRIMES[1:2] * 5, [29] * 5)
    return one & 0xffffffff, other & 0xffffffff, (one ^ other) >> 32


class Side:
    """What a flow says of the side that sends its packets. Its first byte has any number."""

    def __init__(self, sent=0, *progress, idle=0, first=0xfffff000):
        self.progress = sum(progress)
        self.first = first
        numbers = sent + len({SYN, FIN} & set(progress))
        self.end = (first + numbers) % 2**32
        self.wraps = numbers >> 32
        self.seen = ago(idle) >> 20 & 0xffffffff


class FlowTable:
    """The table of a daemon, which nobody else writes."""

    def __init__(self, daemon):
        self.daemon = daemon
        constants = daemon.constants()
        self.seed = constants["flow_seed"]
        self.groups = constants["flow_group_count"]
        self.tags = {}
        self.numbers = {}

    def number(self, address):
        """Of an address that packets leave from; 0: from that from which they came."""
        if address and address not in self.numbers:
            self.numbers[address] = len(self.numbers) + 1
            self.daemon.insert("own_addresses", [(struct.pack("=I", self.numbers[address]),
                                                  mapped(address))])
        return self.numbers.get(address, 0)

    def put(self, slot, tag, value):
        assert len(value) == 64, "the layout of struct ftpfix_flow has changed"
        group = slot // GROUP_SLOTS
        tags = self.tags.setdefault(group, bytearray(GROUP_SLOTS))
        tags[slot % GROUP_SLOTS] = tag
        self.daemon.insert("flows", [(struct.pack("=I", slot), value)])
        self.daemon.insert("flow_groups", [(struct.pack("=I", group), bytes(tags))])

    def flow(self, slot, peer, to, side, place, marks=LIVE | SETTLED, key=(0, 0, 0)):
        """Any slot will do for who does not look for the key. `to`: from which address of the
        node's own, or None, which port, and to whom."""
        own, source_port, destination, destination_port = to
        self.put(slot, TAG_FIRST + slot % 254, (
            struct.pack("=3II", *key, peer) + mapped(destination) +
            struct.pack(">HH", source_port, destination_port) +
            struct.pack("=HHIII", self.number(own), 0, side.first, side.end, 0) +
            struct.pack("=IHBBBBBB", side.seen, 0, 0, 0, place, marks, side.progress, side.wraps)))

    def hold(self, packets, other):
        """Puts a flow of this be_tuple into one of the slots that it may have, with nothing
        behind it: into the first group of its key, or into the other one."""
        key = flow_key(packets, self.seed)
        total = mixed(self.seed, (key[0] << 32 | key[1], key[2], 0), PRIMES, (32, 29, 32))
        halves = total >> 32, total & 0xffffffff
        group = halves[other] * self.groups >> 32
        tag = TAG_FIRST + ((halves[0] & 0xff) * (256 - TAG_FIRST) >> 8)
        free = [place for place in range(GROUP_SLOTS)
                if not self.tags.get(group, bytes(GROUP_SLOTS))[place]]
        self.put(group * GROUP_SLOTS + free[-1], tag,
                 struct.pack("=3I49xB2x", *key, LIVE))
