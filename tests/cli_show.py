# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about metrics, what is shown, and the log.

Knows the layout of the maps' entries, on its own, and nothing of packets.
"""
import os
import re
import shutil
import socket
import struct
import subprocess
import time

from cli_table import (CLOSED, CONTROL, FIN, GROUP_SLOTS, INSIDE_IN, LIVE, SETTLED, SYN,
                       TAG_FIRST, UPLINK_IN, FlowTable, Side, ago, be_tuple)
from cli_world import (PATIENCE, TOP, Skipped, World, contains, equal, mapped, test, tool_json,
                       wait_until)


# Where tools/servers unpacks what must not be installed.
UNPACKED_PROMETHEUS = TOP / "build/servers/prometheus/usr/bin"

# Metrics and what is shown -------------------------------------------------


def contract():
    """Every (family, reason) of the header, read without the preprocessor."""
    text = (TOP / "include/ftpfix.h").read_text()
    return set(re.findall(r'\bX\([A-Z0-9_]+,\s*([a-z]+),\s*"([a-z_]+)"', text.replace("\\\n", "")))


@test
def metrics_are_served_over_http():
    with World() as world:
        world.run("--dev", "up0")
        status, head, body = world.get("/metrics")
        equal(status, 200, "status")
        contains(head, "text/plain; version=0.0.4", "head")
        series = re.findall(r'^ftpfix_([a-z]+)_total\{reason="([a-z_]+)"\} (\d+)$', body, re.M)
        reasons = contract()
        assert len(reasons) > 20, "the header was not read"
        equal(sorted(i[:2] for i in series), sorted(reasons), "series")
        for name in "sessions", "expectations", "flows":
            contains(body, f"\nftpfix_{name} 0\n", "gauges")
        start = float(re.search(r"^ftpfix_start_time_seconds (\S+)", body, re.M)[1])
        assert abs(time.time() - start) < PATIENCE, "start time"
        equal(re.findall(r"^ftpfix_\w+_total [0-9]", body, re.M), [], "counters without a reason")


@test
def other_requests_over_http_are_told_where_to_go():
    with World() as world:
        world.run("--dev", "up0")
        status, head, body = world.get("/metrics", "HEAD")
        equal((status, body), (200, ""), "HEAD")
        status, head, body = world.get("/")
        equal(status, 404, "status of /")
        contains(body, "/metrics", "body of /")
        for method in "POST", "PUT", "DELETE":
            status, head, body = world.get("/metrics", method)
            equal(status, 405, f"status of {method}")
            contains(head, "Allow: GET, HEAD", f"head of {method}")
        equal(world.get("/metrics")[0], 200, "afterwards")


@test
def metrics_verb_prints_the_same():
    with World() as world:
        world.run("--dev", "up0")
        done = world.ftpfix("metrics")
        equal((done.returncode, done.stderr), (0, ""), "metrics")

        def names(text):
            return [line.rsplit(" ", 1)[0] for line in text.splitlines()]
        equal(names(done.stdout), names(world.get("/metrics")[2]), "lines")


@test
def promtool_finds_no_fault():
    promtool = shutil.which("promtool", path=f"{os.environ['PATH']}:{UNPACKED_PROMETHEUS}")
    if not promtool:
        raise Skipped("promtool is missing (Debian package prometheus, or tools/servers)")
    with World() as world:
        world.run("--dev", "up0", "--vip", "203.0.113.5", "--server", "10.0.0.175")
        done = subprocess.run([promtool, "check", "metrics"], input=world.ftpfix("metrics").stdout,
                              capture_output=True, text=True)
        equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "promtool check metrics")


@test
def show_has_tables_and_json_of_one_model():
    sections = ["services", "interfaces", "servers", "sessions", "expected", "flows", "counters"]
    with World() as world:
        world.run("--dev", "up0")
        model = world.show()
        equal(list(model), sections, "sections")
        equal({(i["family"], i["reason"]) for i in model["counters"]}, contract(), "counters")
        for section in sections:
            equal(list(world.show(section)), [section], f"show {section} --json")
        done = world.ftpfix("show")
        equal((done.returncode, done.stderr), (0, ""), "show")
        for section in sections:
            contains(done.stdout, f"{section} (", "show")
        row = world.ftpfix("show", "services").stdout.splitlines()[1].split()
        equal(row[:6], ["21", "nat", "dialled", "-", "1024-65535", "-"], "row of the service")


# What the programs wrote ---------------------------------------------------


def ticks(nanoseconds):
    return nanoseconds >> 20 & 0xffffffff


def session_key(*ends, side=0):
    return be_tuple(*ends) + struct.pack("=B3x", side)


def stream(idle, opaque=0, foreign=0):
    """Of 32 bytes, the time, and the flags behind the column and the reply code."""
    spoken = 1
    return struct.pack("=I20xI4x", ticks(ago(idle)),
                       spoken << 21 | opaque << 27 | foreign << 28)


def session_value(idle, pasv=(0, 0), epsv=(0, 0), announcements=0, client=(0, 0), server=(0, 0),
                  over=0):
    asked = struct.pack("=IBB", 0, pasv[0], epsv[0])
    answered = struct.pack("=BBBBH", pasv[1], epsv[1], 0, 0, announcements)
    value = (stream(idle, *client) + stream(idle, *server) + asked + answered + bytes(4 * 4) +
             struct.pack("=I", over))
    assert len(value) == 96, "the layout of struct ftpfix_session has changed"
    return value


# Addresses of the node and its servers have numbers; the ends of a session have these.
OWN = {"198.51.100.9": 1, "10.0.0.1": 2, "192.0.2.1": 3}
SESSION_SOURCE, SESSION_DESTINATION = 16384, 16385
EXPECTATION_LIVE = 2


def number_own(daemon):
    daemon.insert("own_addresses", [(struct.pack("=I", number), mapped(address))
                                    for address, number in OWN.items()])


def expectation(peer, port, deadline, advertised=OWN["198.51.100.9"], side=0,
                source=OWN["10.0.0.1"]):
    client, service = "198.51.100.10", "203.0.113.5"
    target = mapped("10.0.0.9") + struct.pack(">HH", 21485, 0)
    value = ((mapped(peer) if peer else bytes(16)) + struct.pack(">H", port) +
             struct.pack("=HIIHHHH", EXPECTATION_LIVE, ticks(deadline), 1, 0, SESSION_DESTINATION,
                         advertised | side << 15, source) +
             session_key(client, 40112, service, 21, side=side) + target)
    assert len(value) == 96, "the layout of struct ftpfix_expectation has changed"
    return value


def expect(daemon, expectations):
    """Fills the first slots of the table. Any will do for who does not look for the key."""
    daemon.insert("expectations", [(struct.pack("=I", slot), value)
                                   for slot, value in enumerate(expectations)])
    for first in range(0, len(expectations), GROUP_SLOTS):
        tags = bytes([TAG_FIRST]) * len(expectations[first:first + GROUP_SLOTS])
        daemon.insert("expected_groups", [(struct.pack("=I", first // GROUP_SLOTS),
                                           tags.ljust(GROUP_SLOTS, b"\0"))])


@test
def sessions_are_shown():
    with World() as world:
        daemon = world.run("--dev", "up0")
        daemon.insert("sessions", [
            (session_key("198.51.100.10", 40112, "203.0.113.5", 21),
             session_value(5, (5, 3), (2, 2), 5)),
            # The replies' direction may be ahead of the commands' one.
            (session_key("198.51.100.11", 40113, "203.0.113.5", 21),
             session_value(0, (1, 2), client=(1, 0), server=(1, 0))),
            (session_key("2001:db8::10", 40114, "2001:db8:0:0:1::5", 21, side=1),
             session_value(0, server=(1, 0))),
            (session_key("2001:db8::11", 40115, "2001:db8:0:0:1::5", 21),
             session_value(0, client=(0, 1))),
            # It is over: nobody is to see it any more.
            (session_key("198.51.100.12", 40116, "203.0.113.5", 21), session_value(0, over=1))])
        first, second, third, fourth = sorted(world.show("sessions")["sessions"],
                                              key=lambda i: i["client"])
        assert 5 <= first.pop("idle_seconds") < 5 + PATIENCE, "idle seconds"
        equal(first, {"side": "uplink", "client": "198.51.100.10:40112",
                      "service": "203.0.113.5:21", "state": "plain", "outstanding_pasv": 2,
                      "outstanding_epsv": 0, "announcements": 5}, "session")
        equal((second["outstanding_pasv"], second["state"]), (0, "encrypted"), "the second")
        # RFC 5952 sections 4.2.3 and 6.
        equal((third["side"], third["client"], third["service"], third["state"]),
              ("inside", "[2001:db8::10]:40114", "[2001:db8::1:0:0:5]:21", "half encrypted"),
              "the third")
        equal((fourth["side"], fourth["state"]), ("uplink", "foreign"), "the fourth")
        contains(world.get("/metrics")[2], "\nftpfix_sessions 4\n", "gauge")
        contains(world.ftpfix("show", "sessions").stdout, "198.51.100.10:40112", "table")


@test
def expectations_are_shown():
    with World() as world:
        daemon = world.run("--dev", "up0")
        number_own(daemon)
        expect(daemon, [expectation("198.51.100.10", 21486, ago(-500)),
                        expectation(None, 21487, ago(-500), SESSION_DESTINATION, 1,
                                    SESSION_SOURCE),
                        expectation(None, 21488, ago(-500), source=0)])
        shown, kept, anyone = sorted(world.show("expected")["expected"],
                                     key=lambda i: i["public"])
        assert 500 - PATIENCE < shown.pop("seconds_left") <= 500, "seconds left"
        equal(shown, {"peer": "198.51.100.10", "side": "uplink", "public": "198.51.100.9:21486",
                      "target": "10.0.0.9:21485", "source": "10.0.0.1", "device": "lo",
                      "session": "198.51.100.10:40112"}, "expectation")
        equal(kept["source"], None, "the source of one that keeps the peer's own")
        equal((anyone["peer"], anyone["side"]), (None, "inside"), "that of anyone")
        equal((anyone["public"], anyone["source"]), ("203.0.113.5:21487", "198.51.100.10"),
              "what is named by its session")
        contains(world.get("/metrics")[2], "\nftpfix_expectations 3\n", "gauge")
        contains(world.ftpfix("show", "expected").stdout, "198.51.100.9:21486", "table")


def shown_flow(world):
    flow, = world.show("flows")["flows"]
    assert 2 <= flow.pop("idle_seconds") < 2 + PATIENCE, "idle seconds"
    return flow


@test
def flows_are_shown_as_connections():
    with World() as world:
        daemon = world.run("--dev", "up0")
        table = FlowTable(daemon)
        for client, server, state in (
                (Side(4000, SYN, idle=2), Side(60000, SYN, idle=7), "established"),
                (Side(4000, SYN, idle=7), Side(60000, SYN, FIN, idle=2), "half closed"),
                (Side(4000, SYN, FIN, idle=2), Side(60000, SYN, FIN, idle=2), "closing")):
            table.flow(21, 40, ("10.0.0.1", 50001, "10.0.0.9", 21485), client, UPLINK_IN)
            table.flow(40, 21, ("203.0.113.5", 21486, "198.51.100.10", 50001), server, INSIDE_IN)
            equal(shown_flow(world), {
                "kind": "data", "client": "198.51.100.10:50001", "public": "203.0.113.5:21486",
                "source": "10.0.0.1:50001", "server": "10.0.0.9:21485", "state": state,
                "bytes_to_server": 4000, "bytes_to_client": 60000}, "flow")
        contains(world.get("/metrics")[2], "\nftpfix_flows 1\n", "gauge")
        contains(world.ftpfix("show", "flows").stdout, "4000/60000", "table")


@test
def flows_count_the_bytes_of_their_streams():
    with World() as world:
        daemon = world.run("--dev", "up0")
        table = FlowTable(daemon)
        for number, (client, server) in enumerate((
                # The last of them before its sequence numbers begin again, and the first behind.
                (0, 2**32 - 1), (2**32 - 2, 2**32), (2**32 + 1, 3 * 2**32 + 5), (1, 255 * 2**32))):
            up, down = 2 * number, 2 * number + 1
            table.flow(up, down, (None, 50000 + number, "10.0.0.9", 21485), Side(client, SYN),
                       UPLINK_IN)
            table.flow(down, up, ("203.0.113.5", 21486, "198.51.100.10", 50000 + number),
                       Side(server, SYN, FIN), INSIDE_IN)
            shown = world.show("flows")["flows"][-1]
            equal((shown["client"], shown["bytes_to_server"], shown["bytes_to_client"]),
                  (f"198.51.100.10:{50000 + number}", client, server), "who sent how much")
        # One that has not said anything yet.
        table.flow(7, 6, ("203.0.113.5", 21486, "198.51.100.10", 50003), Side(9), INSIDE_IN)
        equal(world.show("flows")["flows"][-1]["bytes_to_client"], 0, "bytes without a SYN")


@test
def flows_that_open_or_are_closed_are_not_shown():
    with World() as world:
        daemon = world.run("--dev", "up0")
        table = FlowTable(daemon)
        last = GROUP_SLOTS * table.groups - 1
        for marks, count in (LIVE, 0), (LIVE | SETTLED, 1), (LIVE | SETTLED | CLOSED, 0), (
                SETTLED, 0):
            table.flow(last, 3, (None, 50001, "2001:db8:0:1::9", 21), Side(9, SYN, idle=2),
                       UPLINK_IN | CONTROL, marks)
            table.flow(3, last, ("2001:db8::5", 21, "2001:db8::10", 50001), Side(5, SYN, idle=2),
                       INSIDE_IN | CONTROL, marks)
            equal(len(world.show("flows")["flows"]), count, f"flows of marks {marks}")
            contains(world.get("/metrics")[2], f"\nftpfix_flows {count}\n", "gauge")
            if count:
                equal(shown_flow(world), {
                    "kind": "control", "client": "[2001:db8::10]:50001",
                    "public": "[2001:db8::5]:21", "source": "[2001:db8::10]:50001",
                    "server": "[2001:db8:0:1::9]:21", "state": "established",
                    "bytes_to_server": 9, "bytes_to_client": 5}, "flow")


@test
def flows_of_clients_inside_are_shown_from_the_servers_side():
    with World() as world:
        daemon = world.run("--dev", "up0", "--server-dev", "sv0", "--clients", "inside")
        table = FlowTable(daemon)
        table.flow(0, 1, (None, 20, "10.0.0.9", 50001), Side(60000, SYN, idle=2), UPLINK_IN)
        table.flow(1, 0, ("203.0.113.5", 50001, "198.51.100.10", 20), Side(4000, SYN, idle=2),
                   INSIDE_IN)
        equal(shown_flow(world), {
            "kind": "data", "client": "10.0.0.9:50001", "public": "203.0.113.5:50001",
            "source": "198.51.100.10:20", "server": "198.51.100.10:20", "state": "established",
            "bytes_to_server": 4000, "bytes_to_client": 60000}, "flow")


@test
def counters_are_summed_over_the_cpus():
    with World() as world:
        daemon = world.run("--dev", "up0")
        cpus = tool_json("map", "dump", "id", daemon.map_id("counters"))[0]["values"]
        # bpftool gives every CPU the same value.
        daemon.insert("counters", [(struct.pack("=I", 0), struct.pack("=Q", 7))])
        total = 7 * len(cpus)
        equal(world.show("counters")["counters"][0]["value"], total, "first counter")
        equal(len(world.ftpfix("show", "counters").stdout.splitlines()), 2, "lines of the table")
        contains(world.get("/metrics")[2],
                 f'ftpfix_announcements_total{{reason="rewritten"}} {total}\n', "series")


@test
def large_tables_are_shown_whole():
    with World() as world:
        daemon = world.run("--dev", "up0")
        count = 5000
        daemon.insert("sessions", [
            (session_key("198.51.100.10", 1024 + i, "203.0.113.5", 21), session_value(0))
            for i in range(count)])
        clients = {session["client"] for session in world.show("sessions")["sessions"]}
        equal(clients, {f"198.51.100.10:{1024 + i}" for i in range(count)}, "clients")
        contains(world.get("/metrics")[2], f"\nftpfix_sessions {count}\n", "gauge")
        equal(len(world.ftpfix("show", "sessions").stdout.splitlines()), count + 1, "lines")
        number_own(daemon)
        expect(daemon, [expectation("198.51.100.10", 20000 + i, ago(-500)) for i in range(count)])
        public = [entry["public"] for entry in world.show("expected")["expected"]]
        equal(public, [f"198.51.100.9:{20000 + i}" for i in range(count)], "what is expected")


@test
def while_a_large_table_is_shown_others_are_answered():
    with World() as world:
        daemon = world.run("--dev", "up0")
        number_own(daemon)
        count = 20000
        daemon.insert("sessions", [
            (session_key("198.51.100.10", 1024 + i, "203.0.113.5", 21), session_value(0))
            for i in range(count)])
        index = world.inside(lambda: socket.if_nametoindex("up0"))

        def connect():
            asker = socket.socket(socket.AF_UNIX)
            asker.settimeout(PATIENCE)
            asker.connect(f"\0ftpfix/{index}")
            return asker
        with world.inside(connect) as asker:
            asker.sendall(b'{"verb":"show"}\n')
            # It has begun, and its beginning is all that there is room for.
            answer = asker.recv(1)
            equal(world.get("/metrics")[0], 200, "status of /metrics")
            expect(daemon, [expectation("198.51.100.10", 21486, ago(-500))])
            while part := asker.recv(1 << 20):
                answer += part
        equal(answer.count(b'"service":"203.0.113.5:21"'), count, "sessions")
        # What stands behind the sessions was read later than that was written.
        equal(answer.count(b"198.51.100.9:21486"), 1, "expectations")


@test
def an_answer_that_breaks_off_is_a_failure():
    code = ("import socket; s = socket.socket(socket.AF_UNIX); "
            "s.bind('\\0ftpfix/%d' % socket.if_nametoindex('up0')); s.listen(); "
            "print('bound', flush=True); asker = s.accept()[0]; asker.recv(99); "
            """asker.sendall(b'["sessions",{"side":"uplink"}]\\n')""")
    with World() as world:
        instance = subprocess.Popen(world.enter("/usr/bin/python3", "-c", code),
                                    stdout=subprocess.PIPE)
        equal(instance.stdout.readline(), b"bound\n", "who answers")
        world.refused("show", "sessions", text=f"(pid {instance.pid}) ended before its answer")
        instance.wait(PATIENCE)
        instance.stdout.close()


@test
def the_sweep_logs_who_did_not_come_but_not_without_end():
    with World() as world:
        daemon = world.run("--dev", "up0")
        count = 25
        number_own(daemon)
        expect(daemon, [expectation("198.51.100.10", 20000 + i, ago(1)) for i in range(count)])
        wait_until(lambda: "more suppressed" in daemon.log(), "the suppressed lines")
        lines = daemon.log().split("\nready\n")[1].splitlines()
        equal(len(lines), 11, "lines since ready")
        for line in lines[:10]:
            found = re.fullmatch(
                "ftpfix: session 198.51.100.10:40112 to 203.0.113.5:21: announced "
                r"198.51.100.9:200(\d\d) to 198.51.100.10, nobody came: is the port range open "
                "in the firewall\\?", line)
            assert found and int(found[1]) < count, f"line of the log: {line!r}"
        contains(lines[10], f"{count - 10} more suppressed", "the last line")
        equal(world.show("expected")["expected"], [], "expectations afterwards")


@test
def the_log_names_who_did_not_come():
    for clients, side, named, advertised, peer in (
            # A client's announcement leaves on the servers' side, a server's on the clients'.
            ("outside", 1, SESSION_SOURCE, "198.51.100.10", "203.0.113.5"),
            ("outside", 0, SESSION_DESTINATION, "203.0.113.5", "198.51.100.10"),
            ("inside", 0, OWN["192.0.2.1"], "192.0.2.1", "203.0.113.5")):
        with World() as world:
            daemon = world.run("--dev", "up0", "--server-dev", "sv0", "--clients", clients)
            number_own(daemon)
            expect(daemon, [expectation(peer, 20000, ago(1), named, side)])
            wait_until(lambda: "nobody came" in daemon.log(), "the line of the log")
            contains(daemon.log(), f"announced {advertised}:20000 to {peer}, nobody came",
                     f"the log, clients {clients}")
