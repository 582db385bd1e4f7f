# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Announcements that must not be followed, and what must become of each: replies
pass unchanged, commands become ones that no server knows. Knows no delivery."""
from dataclasses import dataclass

from .modes import FORMS_227, FORMS_229, announce
from .reference import Text
from .session import Flight

PORT = 25177
LOW_PORT = 1023
# Neither private nor anyone's here.
STRANGER = {4: "192.0.2.77", 6: "2001:db8:77::77"}
ANSWER = Text(b"500 What?\r\n")
FOREIGN = (Text(b"POST / HTTP/1.1\r\n"), Text(b"Content-Type: text/plain\r\n"), Text(b"\r\n"))
EPSV_ALL = (Flight("client", (Text(b"EPSV ALL\r\n"),)),
            Flight("server", (Text(b"200 EPSV ALL ok.\r\n"),)))
# What a 227 may hold that is no endpoint.
NUMBERS = (b"10,0,0,175,98", b"10,0,0,175,98,89,1", b"10,0,0,256,98,89", b"10,0,0,175,98,256",
           b"10,0,0,175,-1,89", b"10.0.0.175,98,89", b"10,0,0,175,98,", b"1000,0,175,98,89")
PORTS = (b"|||65536|", b"||||", b"|||25177", b"|||-1|", b"|1|10.0.0.175|25177|", b"|||0|")


@dataclass(frozen=True)
class Refused:
    label: str
    syntax: str
    text: Text
    port: int                   # which would be open if it were followed
    before: tuple = ()          # flights
    question: Text | None = None


def disarmed(line):
    return b"X" + line[1:]


def lines(mode, family):
    return list(_commands(mode, family) if mode.active else _replies(mode, family))


def _forms(mode, family):
    """One of each syntax is enough for a brief mode."""
    forms = mode.forms(family)
    return list({syntax: (syntax, form) for syntax, form in forms}.values()) if mode.brief \
        else forms


def _replies(mode, family):
    server = mode.addresses(family, 0)[2]
    for syntax, form in _forms(mode, family):
        low = announce(syntax, form, server, LOW_PORT).line
        yield Refused(f"{syntax} {form}, a low port", syntax, Text(low), LOW_PORT)
        if syntax == "227":
            line = announce(syntax, form, STRANGER[4], PORT).line
            yield Refused(f"{syntax} {form}, a stranger", syntax, Text(line), PORT)
        right = announce(syntax, form, server, PORT).line
        yield Refused(f"{syntax} {form}, unasked", syntax, Text(right), PORT,
                      question=Text(b"NOOP\r\n"))
    if family.version == 4:
        for numbers in NUMBERS:
            yield Refused(f"227 of {numbers.decode()}", "227",
                          Text(FORMS_227["vsftpd"] % numbers), PORT)
    for inner in PORTS:
        line = FORMS_229["vsftpd"].replace(b"|||%d|", inner)
        yield Refused(f"229 of {inner.decode()}", "229", Text(line), PORT)


def _commands(mode, family):
    own = mode.addresses(family, 0)[0]
    # Another client, whom the server could reach.
    other = mode.addresses(family, 1)[0]
    for syntax, form in _forms(mode, family):
        for label, address, port, before in (
                ("a low port", own, LOW_PORT, ()), ("another client", other, PORT, ()),
                ("a stranger", STRANGER[family.version], PORT, ()),
                ("after EPSV ALL", own, PORT, EPSV_ALL)):
            line = announce(syntax, form, address, port).line
            yield Refused(f"{syntax} {form}, {label}", syntax,
                          Text(line, becomes=disarmed(line)), port, before)
    if family.version == 4:
        for numbers in NUMBERS:
            yield Refused(f"PORT of {numbers.decode()}", "PORT",
                          Text(b"PORT " + numbers + b"\r\n"), PORT)
