# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ethernet, IPv4, IPv6 and TCP as bytes: written, read, and their checksums
computed independently of any kernel. Knows no connection and no FTP."""
import ipaddress
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
FLAG_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"))
SEQUENCE_MASK = 0xFFFFFFFF
ETHERNET = 14
IPV4_TYPE, IPV6_TYPE = b"\x08\x00", b"\x86\xdd"

_TCP = struct.Struct("!HHIIBBHHH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")


class Malformed(Exception):
    """A packet that no host would accept."""


def signed(difference):
    """The difference of two sequence numbers (RFC 9293 section 3.4)."""
    difference &= SEQUENCE_MASK
    return difference - (1 << 32) if difference & 0x80000000 else difference


def ones_sum(data):
    """The ones' complement sum of 16-bit words, except that 0xffff reads as 0."""
    if len(data) & 1:
        data += b"\0"
    return int.from_bytes(data, "big") % 0xFFFF


def _complement(total):
    """The checksum over what adds up to total: a sum that is not empty reads as
    0xffff, never as 0."""
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def packed(address):
    return ipaddress.ip_address(address).packed


class Path:
    """From one endpoint to another, as it stands in the headers of one wire."""

    def __init__(self, macs, source, destination, source_port, destination_port):
        self.source, self.destination = source, destination
        self.source_port, self.destination_port = source_port, destination_port
        self.v6 = len(source) == 16
        self.ethernet = macs[1] + macs[0] + (IPV6_TYPE if self.v6 else IPV4_TYPE)
        self.pseudo = ones_sum(source + destination) + 6
        self._identification = 0

    def frame(self, sequence, acknowledgement, flags, window, options=b"", payload=b"",
              partial=False):
        """A whole frame. With `partial` the checksum is left to be finished, as
        checksum offload wants it."""
        length = 20 + len(options) + len(payload)
        head = _TCP.pack(self.source_port, self.destination_port, sequence, acknowledgement,
                         (5 + len(options) // 4) << 4, flags, window, 0, 0)
        total = (self.pseudo + length) % 0xFFFF
        if partial:
            checksum = total
        else:
            checksum = _complement(total + ones_sum(head + options + payload))
        return b"".join((self.ethernet, self._ip(length), head[:16],
                         checksum.to_bytes(2, "big"), head[18:], options, payload))

    def _ip(self, length):
        if self.v6:
            return _IPV6.pack(0x60000000, length, 6, 64, self.source, self.destination)
        self._identification = self._identification + 1 & 0xFFFF
        fields = [0x45, 0, 20 + length, self._identification, 0x4000, 64, 6, 0,
                  self.source, self.destination]
        fields[7] = _complement(ones_sum(_IPV4.pack(*fields)))
        return _IPV4.pack(*fields)


class Segment:
    """A TCP segment that was read from a frame."""
    __slots__ = ("source", "destination", "source_port", "destination_port", "sequence",
                 "acknowledgement", "flags", "window", "payload", "mss", "scale",
                 "sack_permitted", "timestamps", "sack")

    @property
    def ports(self):
        return self.source_port, self.destination_port

    def span(self):
        """How much sequence space it takes."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)


def _ip_payload(packet):
    """Source, destination and payload of an IP packet that carries TCP."""
    if packet[0] >> 4 == 6:
        _, length, following, _, source, destination = _IPV6.unpack_from(packet)
        if following != 6:
            raise Malformed("IPv6 without TCP")
        if length + 40 != len(packet):
            raise Malformed(f"IPv6 length {length} + 40 in a packet of {len(packet)}")
        return source, destination, packet[40:]
    if packet[0] != 0x45:
        raise Malformed(f"IPv4 header begins with {packet[0]:#x}")
    fields = _IPV4.unpack_from(packet)
    if fields[2] != len(packet):
        raise Malformed(f"IPv4 length {fields[2]} in a packet of {len(packet)}")
    if ones_sum(packet[:20]):
        raise Malformed("IPv4 checksum")
    if fields[4] & 0x3FFF:
        raise Malformed("IPv4 fragment")
    return fields[8], fields[9], packet[20:]


def read(frame):
    """The segment in a frame; raises Malformed."""
    packet = frame[ETHERNET:]
    if len(packet) < 40:
        raise Malformed(f"{len(packet)} bytes are no TCP segment")
    source, destination, tcp = _ip_payload(packet)
    if len(tcp) < 20:
        raise Malformed(f"{len(tcp)} bytes of TCP")
    if (ones_sum(source + destination) + 6 + len(tcp) + ones_sum(tcp)) % 0xFFFF:
        raise Malformed("TCP checksum")
    made = Segment()
    made.source, made.destination = source, destination
    (made.source_port, made.destination_port, made.sequence, made.acknowledgement, offset,
     made.flags, made.window, _, _) = _TCP.unpack_from(tcp)
    end = (offset >> 4) * 4
    if end < 20 or end > len(tcp):
        raise Malformed(f"TCP data offset {end} of {len(tcp)}")
    made.payload = tcp[end:]
    made.mss = made.scale = made.timestamps = None
    made.sack_permitted, made.sack = False, ()
    if end > 20:
        _read_options(made, tcp[20:end])
    return made


def _read_options(segment, options):
    place = 0
    while place < len(options):
        kind = options[place]
        if kind == 0:
            return
        if kind == 1:
            place += 1
            continue
        length = options[place + 1] if place + 1 < len(options) else 0
        if length < 2 or place + length > len(options):
            raise Malformed("TCP option length")
        value = options[place + 2:place + length]
        if kind == 2 and length == 4:
            segment.mss = int.from_bytes(value, "big")
        elif kind == 3 and length == 3:
            segment.scale = value[0]
        elif kind == 4:
            segment.sack_permitted = True
        elif kind == 5 and length % 8 == 2:
            edges = struct.unpack(f"!{len(value) // 4}I", value)
            segment.sack = tuple(zip(edges[::2], edges[1::2]))
        elif kind == 8 and length == 10:
            segment.timestamps = struct.unpack("!II", value)
        place += length


def syn_options(mss, sack, timestamps, scale):
    options = struct.pack("!BBH", 2, 4, mss)
    options += b"\4\2" if sack else b"\1\1"
    options += struct.pack("!BBII", 8, 10, *timestamps) if timestamps else b"\1\1"
    return options + (b"\1" + struct.pack("!BBB", 3, 3, scale) if scale is not None else b"")


def options_of(timestamps, sack=()):
    options = b"\1\1" + struct.pack("!BBII", 8, 10, *timestamps) if timestamps else b""
    if sack:
        sack = sack[:3 if timestamps else 4]
        options += struct.pack("!BBBB", 1, 1, 5, 2 + 8 * len(sack))
        options += b"".join(struct.pack("!II", *block) for block in sack)
    return options
