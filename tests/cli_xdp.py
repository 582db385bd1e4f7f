# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about XDP: what is attached where, and who is left alone.

Knows the layout of the maps' entries, on its own, and nothing of packets.
"""
import json
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

from cli_world import WORK, Skipped, World, contains, equal, test, wait_until

ARMS = ["--dev", "up0", "--server-dev", "sv0"]
FOREIGN = """
__attribute__((section("xdp"), used)) int foreign(void *frame) { (void)frame; return 2; }
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
"""
# IFLA_XDP_ATTACHED of linux/if_link.h.
MODES = {1: "native", 2: "generic"}


def xdp_world():
    """A world whose node forwards, so that nothing keeps XDP from working."""
    world = World()
    world.do("sysctl -qw net.ipv4.ip_forward=1")
    return world


def on(world, device):
    """(mode, name) of the XDP program there; None if there is none."""
    link, = json.loads(world.do(f"ip -j -d link show dev {device}"))
    xdp = link.get("xdp")
    return (MODES[xdp["mode"]], xdp["prog"]["name"]) if xdp else None


def foreign_object():
    compiler = shutil.which("clang-14") or shutil.which("clang")
    if not compiler:
        raise Skipped("no clang to build another XDP program with")
    path = WORK / "foreign.o"
    subprocess.run([compiler, "-O2", "-target", "bpf", "-x", "c", "-c", "-o", path, "-"],
                   input=FOREIGN, text=True, check=True)
    return path


def index_of(world, device):
    return world.inside(lambda: socket.if_nametoindex(device))


def numbers(daemon, name):
    """A map of 32-bit words, or of other values as bytes."""
    return {struct.unpack("=I", key)[0]: value for key, value in daemon.maps(name)}


def senders(daemon):
    """The interfaces out of which XDP sends."""
    return sorted(index for index, link in numbers(daemon, "links").items() if link[2])


def kernel_tells():
    """Whether the kernel says which devices take frames from XDP."""
    return subprocess.run(["genl", "ctrl", "get", "name", "netdev"],
                          capture_output=True).returncode == 0


def shown(world):
    return {row["interface"]: row for row in world.show("interfaces")["interfaces"]}


@test
def xdp_is_attached_to_both_sides_natively():
    if not kernel_tells():
        raise Skipped("this kernel does not tell whether a veth takes frames from XDP")
    with xdp_world() as world:
        world.do("ethtool -K up1 gro on")
        world.do("ethtool -K sv1 gro on")
        daemon = world.run(*ARMS)
        equal((on(world, "up0"), on(world, "sv0"), on(world, "up1")),
              (("native", "ftpfix_uplink_x"), ("native", "ftpfix_inside_x"), None), "programs")
        up, sv = index_of(world, "up0"), index_of(world, "sv0")
        # Each is its own carrier, sends untagged, and takes several buffers.
        equal(numbers(daemon, "xdp_devices"),
              {up: struct.pack("=I", up), sv: struct.pack("=I", sv)}, "devices")
        equal(numbers(daemon, "links"), {up: bytes([0, 0, 1, 1]), sv: bytes([0, 0, 1, 1])}, "links")
        # VLAN 0: frames that are tagged for their priority alone.
        equal(dict(daemon.maps("tagged")),
              {struct.pack("=IHH", up, 0, 0): struct.pack("=II", up, 1),
               struct.pack("=IHH", sv, 0, 0): struct.pack("=II", sv, 2)}, "tagged")
        rows = shown(world)
        equal(rows["up0"], {"interface": "up0", "sides": ["uplink"],
                            "tc": world.service()["attached_by"], "xdp": "native",
                            "device": "up0", "vlan": None, "sends": True, "reason": None}, "row")
        equal((rows["sv0"]["sides"], rows["sv0"]["xdp"]), (["inside"], "native"), "the other row")
        table = world.ftpfix("show", "interfaces").stdout.splitlines()
        equal(table[1].split()[:2] + table[1].split()[3:],
              ["up0", "uplink", "native", "up0", "-", "yes", "-"], "row of the table")
        contains(world.get("/metrics")[2],
                 '\nftpfix_interface_xdp{device="sv0",mode="native"} 1\n', "metric")
        equal(re.findall("XDP|forwarding", daemon.log()), [], "the log")


@test
def a_one_arm_interface_has_one_program_for_both_sides():
    with xdp_world() as world:
        world.run("--dev", "up0", "--server-dev", "up0")
        equal(on(world, "up0"), ("native", "ftpfix_both_xdp"), "program")
        equal(shown(world)["up0"]["sides"], ["uplink", "inside"], "sides")


def xdp_goes(number):
    with xdp_world() as world:
        daemon = world.run(*ARMS)
        assert on(world, "up0") and on(world, "sv0"), "nothing attached"
        daemon.end(number)
        wait_until(lambda: not on(world, "up0") and not on(world, "sv0"), "XDP detached")


@test
def sigterm_detaches_xdp():
    xdp_goes(signal.SIGTERM)


@test
def killed_with_xdp_leaves_nothing():
    xdp_goes(signal.SIGKILL)


@test
def another_xdp_program_is_left_alone():
    path = foreign_object()
    with xdp_world() as world:
        for mode, name in ("xdpdrv", "native"), ("xdpgeneric", "generic"):
            world.do(f"ip link set dev sv0 {mode} obj {path} sec xdp")
            foreign = (name, "foreign")
            before = world.attached()
            for choice in "native", "generic":
                world.refused("run", *ARMS, "--xdp", choice,
                              text=f"--xdp {choice}: sv0: another XDP program (id ")
                equal((on(world, "up0"), on(world, "sv0")), (None, foreign), "after a refusal")
                equal(world.attached(), before, "TC after a refusal")
            daemon = world.run(*ARMS)
            equal(len(re.findall(r"sv0: no XDP: another XDP program \(id \d+\) is on it; TC alone",
                                 daemon.log())), 1, "lines of the log")
            equal((on(world, "up0"), on(world, "sv0")),
                  (("native", "ftpfix_uplink_x"), foreign), "programs")
            row = shown(world)["sv0"]
            equal(row["xdp"], "off", "what is shown")
            contains(row["reason"], "another XDP program (id ", "what is shown")
            contains(world.get("/metrics")[2],
                     '\nftpfix_interface_xdp{device="sv0",mode="off"} 1\n', "metric")
            equal(daemon.end(), 0, "exit status")
            equal((on(world, "up0"), on(world, "sv0")), (None, foreign), "in the end")
            world.do(f"ip link set dev sv0 {mode} off")


@test
def nobody_replaces_our_xdp_program():
    path = foreign_object()
    with xdp_world() as world:
        world.run(*ARMS)
        done = subprocess.run(
            world.enter("ip", "-force", "link", "set", "dev", "up0", "xdpdrv", "obj", path, "sec",
                        "xdp"), capture_output=True, text=True)
        assert done.returncode != 0, "it was replaced"
        equal(on(world, "up0"), ("native", "ftpfix_uplink_x"), "program")


@test
def where_xdp_is_not_wanted_it_is_not():
    for args, reason in ((["--xdp", "off"], "--xdp off"), (["--path", "stack"], "--path stack"),
                         (["--forward", "none"], "--forward none")):
        with xdp_world() as world:
            daemon = world.run("--dev", "up0", *args)
            equal((on(world, "up0"), on(world, "sv0")), (None, None), f"programs with {args}")
            row = shown(world)["up0"]
            equal((row["xdp"], row["sends"], row["reason"]), ("off", False, reason), "row")
            for name in "xdp_devices", "tagged":
                equal(daemon.maps(name), [], f"map {name}")
            # TC sends by it.
            equal(numbers(daemon, "links")[index_of(world, "up0")], bytes(4), "link")
            assert "XDP" not in daemon.log(), "words about XDP"


@test
def generic_xdp_is_for_every_driver():
    with xdp_world() as world:
        daemon = world.run(*ARMS, "--xdp", "generic")
        equal((on(world, "up0"), on(world, "sv0")),
              (("generic", "ftpfix_uplink_x"), ("generic", "ftpfix_inside_x")), "programs")
        # The stack sends for the driver: a veth's peer need not do anything.
        equal(senders(daemon),
              sorted(index_of(world, device) for device in ("up0", "sv0")), "links")
        equal(shown(world)["up0"]["xdp"], "generic", "what is shown")


@test
def a_driver_without_xdp_is_carried_by_tc():
    with xdp_world() as world:
        world.do("ip link add mv0 link sv0 type macvlan mode private")
        world.do("ip link set mv0 up")
        args = ["--dev", "up0", "--server-dev", "mv0"]
        before = world.attached()
        world.refused("run", *args, "--xdp", "native",
                      text="--xdp native: mv0: its driver takes no program: ")
        equal((world.attached(), on(world, "up0")), (before, None), "after the refusal")
        daemon = world.run(*args)
        contains(daemon.log(), "mv0: no XDP: its driver takes no program: ", "the log")
        equal((on(world, "up0"), on(world, "mv0")), (("native", "ftpfix_uplink_x"), None),
              "programs")
        contains(daemon.log(), "mv0: its driver takes no frames from XDP: TC carries what leaves "
                               "there", "the log")
        daemon.end()
        world.run(*args, "--xdp", "generic")
        equal(on(world, "mv0"), ("generic", "ftpfix_inside_x"), "generic")


@test
def a_veth_that_takes_no_frames_gets_none():
    if not kernel_tells():
        raise Skipped("this kernel does not tell whether a veth takes frames from XDP")
    with xdp_world() as world:
        world.do("ethtool -K sv1 gro on")
        daemon = world.run(*ARMS)
        up, sv = index_of(world, "up0"), index_of(world, "sv0")
        equal(senders(daemon), [sv], "links at first")
        contains(daemon.log(), "up0: a veth takes frames from XDP only while its peer has GRO on",
                 "the log")
        row = shown(world)["up0"]
        equal((row["xdp"], row["sends"]), ("native", False), "what is shown")
        contains(row["reason"], "ethtool -K PEER gro on", "what is shown")
        world.do("ethtool -K up1 gro on")
        wait_until(lambda: senders(daemon) == sorted([up, sv]), "both links", 4)
        contains(daemon.log(), "up0: takes frames from XDP from now on", "the log")
        equal(shown(world)["up0"]["reason"], None, "what is shown")
        world.do("ethtool -K sv1 gro off")
        wait_until(lambda: senders(daemon) == [up], "one link", 4)
        contains(daemon.log(), "sv0: a veth takes frames from XDP only while", "the log")
        # Flows keep their next hop for a moment: the kernel still knows the device.
        equal(sorted(numbers(daemon, "xdp_devices")), sorted([up, sv]), "devices")


@test
def where_the_kernel_does_not_tell_no_veth_gets_frames():
    if kernel_tells():
        raise Skipped("this kernel tells whether a veth takes frames from XDP")
    with xdp_world() as world:
        world.do("ethtool -K up1 gro on")
        world.do("ethtool -K sv1 gro on")
        daemon = world.run(*ARMS)
        equal((on(world, "up0"), on(world, "sv0")),
              (("native", "ftpfix_uplink_x"), ("native", "ftpfix_inside_x")), "programs")
        equal((senders(daemon), daemon.maps("xdp_devices")), ([], []), "links and devices")
        reason = "this kernel does not tell whether a veth takes frames from XDP"
        for device in "up0", "sv0":
            row = shown(world)[device]
            equal((row["xdp"], row["sends"], row["reason"]), ("native", False, reason),
                  "what is shown")
            contains(daemon.log(), f"{device}: {reason}: TC carries what leaves there", "the log")


@test
def links_that_stay_are_not_written_again():
    with xdp_world() as world:
        daemon = world.run(*ARMS)
        daemon.freeze("links")
        time.sleep(7)  # longer than until devices are looked at again
        assert "cannot be written" not in daemon.log(), "a link was written"


@test
def xdp_without_forwarding_says_what_to_do():
    with World() as world:
        world.do("sysctl -qw net.ipv4.ip_forward=0")
        world.do("sysctl -qw net.ipv6.conf.all.forwarding=0")
        world.do("ip addr add 2001:db8::5/64 dev up0 nodad")
        daemon = world.run(*ARMS)
        lines = [line for line in daemon.log().splitlines() if "forwarding" in line]
        equal(lines, ["ftpfix: forwarding of IPv4 is off, so that XDP leaves what comes in to TC "
                      "(on up0 sv0); sysctl -w net.ipv4.ip_forward=1 makes it faster",
                      "ftpfix: forwarding of IPv6 is off, so that XDP leaves what comes in to TC "
                      "(on up0); sysctl -w net.ipv6.conf.all.forwarding=1 makes it faster"],
              "the log")
        equal(shown(world)["up0"]["reason"], "forwarding of IPv4 is off (net.ipv4.ip_forward)",
              "what is shown")
        equal(world.do("sysctl -n net.ipv4.ip_forward"), "0\n", "the sysctl")
        world.do("sysctl -qw net.ipv4.ip_forward=1")
        equal(shown(world)["up0"]["reason"],
              "forwarding of IPv6 is off (net.ipv6.conf.all.forwarding)", "what is shown")


@test
def an_interface_is_known_by_its_new_name():
    with World() as world:
        world.do("sysctl -qw net.ipv4.ip_forward=0")
        world.run(*ARMS)
        for words in "sv0 down", "sv0 name renamed0", "renamed0 up":
            world.do(f"ip link set {words}")
        equal(shown(world)["renamed0"]["reason"], "forwarding of IPv4 is off (net.ipv4.ip_forward)",
              "what is shown")


def add_vlan(world, name, lower, vlan, protocol="802.1Q"):
    done = subprocess.run(
        world.enter("ip", "link", "add", name, "link", lower, "type", "vlan", "protocol", protocol,
                    "id", str(vlan)), capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"this kernel has no VLAN interfaces: {done.stderr.strip()}")
    world.do(f"ip link set {name} up")


@test
def below_vlan_interfaces_one_program_serves_them_all():
    with xdp_world() as world:
        add_vlan(world, "up0.100", "up0", 100)
        add_vlan(world, "up0.200", "up0", 200)
        world.do("ethtool -K up1 gro on")
        daemon = world.run("--dev", "up0.100", "--server-dev", "up0.200")
        equal([on(world, device) for device in ("up0", "up0.100", "up0.200")],
              [("native", "ftpfix_tagged_x"), None, None], "programs")
        up, first, second = (index_of(world, device) for device in ("up0", "up0.100", "up0.200"))
        equal(dict(daemon.maps("tagged")),
              {struct.pack("=I", up) + struct.pack(">HH", 100, 0): struct.pack("=II", first, 1),
               struct.pack("=I", up) + struct.pack(">HH", 200, 0): struct.pack("=II", second, 2)},
              "tagged")
        equal(numbers(daemon, "xdp_devices"),
              {first: struct.pack("=I", up), second: struct.pack("=I", up)}, "devices")
        equal({index: link[:2] for index, link in numbers(daemon, "links").items()},
              {first: struct.pack(">H", 100), second: struct.pack(">H", 200)}, "links")
        row = shown(world)["up0.100"]
        equal((row["device"], row["vlan"], row["xdp"]), ("up0", 100, "native"), "what is shown")


@test
def a_vlan_within_a_vlan_is_carried_by_tc():
    with xdp_world() as world:
        add_vlan(world, "sv0.7", "sv0", 7)
        add_vlan(world, "sv0.7.8", "sv0.7", 8)
        args = ["--dev", "up0", "--server-dev", "sv0.7.8"]
        world.refused("run", *args, "--xdp", "native",
                      text="--xdp native: sv0.7.8: it is a VLAN within a VLAN")
        daemon = world.run(*args)
        contains(daemon.log(), "sv0.7.8: no XDP: it is a VLAN within a VLAN", "the log")
        equal(on(world, "sv0"), None, "program")
        equal(shown(world)["sv0.7.8"]["reason"], "it is a VLAN within a VLAN", "what is shown")


@test
def tags_that_the_device_takes_off_are_told_of():
    with xdp_world() as world:
        add_vlan(world, "up0.100", "up0", 100)
        try:
            world.do("ethtool -K up0 rxvlan on")
        except AssertionError as error:
            raise Skipped("up0 cannot take VLAN tags off") from error
        daemon = world.run("--dev", "up0.100", "--server-dev", "sv0")
        contains(daemon.log(), "up0: takes VLAN tags off before XDP sees them", "the log")
        contains(shown(world)["up0.100"]["reason"], "ethtool -K IFACE rxvlan off", "what is shown")
        daemon.end()
        world.do("ethtool -K up0 rxvlan off")
        daemon = world.run("--dev", "up0.100", "--server-dev", "sv0")
        assert "VLAN tags" not in daemon.log(), "words about tags"


@test
def an_interface_that_is_gone_is_told_of():
    with xdp_world() as world:
        daemon = world.run(*ARMS, "--vip", "203.0.113.5", "--server", "10.0.0.175",
                           "--health-interval", "0")
        index = index_of(world, "sv0")
        gone = {"interface": f"#{index}", "sides": ["inside"], "tc": None, "xdp": "off",
                "device": f"#{index}", "vlan": None, "sends": False, "reason":
                "it is gone: where another comes in its place, start ftpfix again"}
        world.do("ip link del sv0")
        wait_until(lambda: "sv0 is gone" in daemon.log(), "a line of the log")
        equal(shown(world)[f"#{index}"], gone, "row")
        world.do("ip link add sv0 type veth peer name sv1")
        world.do("ip link set sv0 up")
        world.do("ip link set sv1 up")
        world.do("ip addr add 10.0.0.1/24 dev sv0")
        reason = "its route leaves over sv0, which is new: start ftpfix again"
        wait_until(lambda: world.show("servers")["servers"][0]["reason"] == reason,
                   "the new one is not taken for the old one")
        equal(shown(world)[f"#{index}"], gone, "row of the old one")
        equal(shown(world)["up0"]["reason"] == gone["reason"], False, "the other's reason")
        equal(daemon.log().count(" is gone"), 1, "lines of the log")
        equal(daemon.end(), 0, "exit status")
