# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The plain reference: what the other end must receive for a line, and what no
wire outside may show. Written from the RFCs and from what clients and servers
accept, not from the program under test."""
import ipaddress
import re
from dataclasses import dataclass

NUMBER = rb"(0|[1-9]\d{0,2})"
PASSIVE_WORDS = b"Entering Passive Mode ("


class Mismatch(Exception):
    """An end received what it must not."""


@dataclass(frozen=True)
class Announcement:
    """The endpoint in a line: its syntax is 227, 229, PORT, EPRT."""
    syntax: str
    address: str
    port: int


@dataclass(frozen=True)
class Told:
    """What the receiver must be told instead. Without an address: the same line."""
    address: str | None
    low: int = 1
    high: int = 65535
    full: bool = False      # IPv6 may be written with all its zeros


@dataclass(frozen=True)
class Text:
    """A line or several as an end sends them, at most one of them announcing; or one
    that must become another of the same length."""
    line: bytes
    announcement: Announcement | None = None
    becomes: bytes | None = None

    @property
    def plain(self):
        """What arrives of it where nothing is announced."""
        return self.becomes or self.line


def _commas(address):
    return address.replace(".", ",").encode()


def _prefixes(before):
    """The words in front of the numbers, and how they may be squeezed."""
    forms = [before]
    last = before[before.rfind(b"\n") + 1:]
    if last.endswith(b" (") and len(last) > len(b"227 ("):
        forms.append(before[:-2] + b"(")
    if before[4:].lower() == PASSIVE_WORDS.lower():
        forms.append(before[:4] + before[4:].replace(b" ", b""))
    return b"(?:" + b"|".join(re.escape(form) for form in forms) + b")"


def _reply(line, numbers, told):
    """The pattern for a 227 or a 229 whose numbers are written like this."""
    if told.syntax == "227":
        original = _commas(told.address) + b",%d,%d" % (told.port >> 8, told.port & 255)
    else:
        original = b"|||%d|" % told.port
    before, after = line.split(original)
    if not after.startswith(b")"):
        return _prefixes(before) + numbers + re.escape(after)
    rest = after[1:]
    rest = rest[1:] if rest.startswith(b".") else rest
    head = _prefixes(before) if told.syntax == "227" else re.escape(before)
    return head + numbers + rb"\)\.*" + re.escape(rest)


def _pattern(text, told):
    made = text.announcement
    if made.syntax == "227":
        numbers = re.escape(_commas(told.address)) + b"," + NUMBER + b"," + NUMBER
        return _reply(text.line, numbers, made)
    if made.syntax == "229":
        return _reply(text.line, rb"\|\|\|(\d{1,5})\|", made)
    verb, rest = text.line.split(b" ", 1)
    end = re.escape(rest[len(rest.rstrip(b"\r\n")):])
    if made.syntax == "PORT":
        argument = re.escape(_commas(told.address)) + rb",(\d{1,3}),(\d{1,3})"
    else:
        address = ipaddress.ip_address(told.address)
        spellings = [told.address] + [address.exploded] * told.full
        argument = rb"\|%d\|(?:%s)\|(\d{1,12})\|" % (
            1 if address.version == 4 else 2,
            b"|".join(re.escape(spelling.encode()) for spelling in spellings))
    return re.escape(verb) + b" " + argument + end


def announced_port(text, told, received):
    """Checks one announcing text as it was received; returns the port it tells."""
    if told.address is None and text.announcement.syntax != "229":
        if received != text.line:
            raise Mismatch(f"{received!r} instead of {text.line!r}")
        return text.announcement.port
    found = re.fullmatch(_pattern(text, told), received)
    if not found:
        raise Mismatch(f"{received!r} for {text.line!r}, to be told {told.address}")
    numbers = [int(number) for number in found.groups()]
    if len(numbers) == 2 and max(numbers) > 255:
        raise Mismatch(f"{received!r}: no octets")
    port = numbers[0] if len(numbers) == 1 else numbers[0] * 256 + numbers[1]
    if not told.low <= port <= told.high:
        raise Mismatch(f"{received!r}: port {port} is outside of {told.low}..{told.high}")
    return port


def _check_part(text, told, received):
    """What is there of a text must be its own beginning, or a rewritten line of which
    no more than the end is missing."""
    if text.plain.startswith(received):
        return
    if text.announcement is not None and told.address is not None:
        for missing in range(1, 6):
            if re.fullmatch(_pattern(text, told), received + text.line[-missing:]):
                return
    raise Mismatch(f"{received!r} instead of {text.line!r}")


def lines(data):
    """The whole lines of a stream, each with its end; and what follows them."""
    parts = bytes(data).split(b"\n")
    return [part + b"\n" for part in parts[:-1]], parts[-1]


def check(texts, told, received, whole=True):
    """Compares a received stream with the texts that were sent; returns the ports
    told, one for each announcement that is there. Not `whole`: the stream may end
    anywhere, and what is there must be right."""
    got, rest = lines(received)
    ports = []
    for text in texts:
        count = text.line.count(b"\n")
        own, got = b"".join(got[:count]), got[count:]
        if own.count(b"\n") < count:
            own, rest = own + rest, b""
            if whole:
                raise Mismatch(f"the stream ends within {text.line!r}: {own!r}")
            _check_part(text, told, own)
            return ports
        if text.announcement is None:
            if own != text.plain:
                raise Mismatch(f"{own!r} instead of {text.plain!r}")
        else:
            ports.append(announced_port(text, told, own))
    if got or rest:
        raise Mismatch(f"more than was sent: {b''.join(got) + rest!r}")
    return ports


def secrets(addresses):
    """The spellings of addresses that an outside wire must not show."""
    made = []
    for address in addresses:
        made.append(address.encode())
        if "." in address:
            made.append(_commas(address))
    return made
