# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sends TCP segments that open connections and never go on: from random sources or from
one, to one port or to each of a range.

    flood.py DEVICE MAC TARGET PORT[-PORT] COUNT RATE [SOURCE]

MAC is of who takes them on DEVICE. RATE is how many in a second at most, 0 as many as it can.
Without SOURCE each segment has another one. Says how many it sent.
"""
import ipaddress
import random
import socket
import struct
import sys
import time

SYN = 0x02
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
# What random sources begin with: 11.0.0.0/8 and 2001:db8:bad::/48 are in no scenario's network.
RANDOM_IPV4, RANDOM_IPV6 = b"\x0b", bytes.fromhex("20010db80bad")
TCP = struct.Struct("!HHIIBBHHH")


def folded(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def words(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def random_source(length):
    start = RANDOM_IPV4 if length == 4 else RANDOM_IPV6
    return start + random.randbytes(length - len(start) - 1) + bytes([random.randint(1, 254)])


def segment(source, target, port):
    """A SYN with its checksum, from a random port."""
    fields = [random.randint(1024, 65535), port, random.getrandbits(32), 0, 5 << 4, SYN, 64000]
    total = words(source) + words(target) + socket.IPPROTO_TCP + TCP.size
    check = folded(total + words(TCP.pack(*fields, 0, 0)))
    return TCP.pack(*fields, check, 0)


def packet(source, target, port):
    if len(target) == 4:
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + TCP.size, 0, 0, 64,
                             socket.IPPROTO_TCP, 0, source, target)
        header = header[:10] + struct.pack("!H", folded(words(header))) + header[12:]
    else:
        header = struct.pack("!IHBB16s16s", 6 << 28, TCP.size, socket.IPPROTO_TCP, 64,
                             source, target)
    return header + segment(source, target, port)


def main():
    device, mac, target, ports, count, rate = sys.argv[1:7]
    target = ipaddress.ip_address(target).packed
    own = ipaddress.ip_address(sys.argv[7]).packed if len(sys.argv) > 7 else None
    low, _, high = ports.partition("-")
    ports = range(int(low), int(high or low) + 1)
    kind = ETH_P_IP if len(target) == 4 else ETH_P_IPV6
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened:
        opened.bind((device, 0))
        start = (bytes.fromhex(mac.replace(":", "")) + opened.getsockname()[4]
                 + struct.pack("!H", kind))
        began = time.monotonic()
        for number in range(int(count)):
            if int(rate) and number % 10 == 0:
                time.sleep(max(0, began + number / int(rate) - time.monotonic()))
            source = own or random_source(len(target))
            opened.send(start + packet(source, target, ports[number % len(ports)]))
    print(f"sent {count}")


if __name__ == "__main__":
    main()
