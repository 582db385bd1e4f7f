# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about TCX and clsact: what is attached, what is left of it, and
whose filters stay."""
import re
import signal
import subprocess

from cli_world import (CAPABLE, Skipped, World, contains, equal, test, tool_json,
                       wait_until)


@test
def tcx_is_chosen_and_holds_the_right_programs():
    with World() as world:
        world.all_tcx()
        world.run("--dev", "up0", "--server-dev", "sv0")
        equal(world.service()["attached_by"], "tcx", "attached by")
        equal(world.all_tcx(), [["ftpfix_uplink_ingress"], ["ftpfix_uplink_egress"],
                                ["ftpfix_inside_ingress"], ["ftpfix_inside_egress"]], "programs")
        contains(world.do("tc qdisc show dev up0"), "noqueue", "qdisc")
        assert "clsact" not in world.do("tc qdisc show dev up0"), "a clsact qdisc beside TCX"


@test
def without_tcx_in_the_kernel_clsact_is_chosen():
    with World() as world:
        if world.has_tcx():
            raise Skipped("this kernel has TCX")
        world.refused("run", "--dev", "up0", "--attach", "tcx", text="the kernel lacks TCX")
        world.run("--dev", "up0")
        equal(world.service()["attached_by"], "clsact", "attached by")


ONE_ARM = {direction: [f"ftpfix_uplink_{direction}", f"ftpfix_inside_{direction}"]
           for direction in ("ingress", "egress")}


@test
def a_one_arm_interface_runs_the_uplink_program_first_by_tcx():
    with World() as world:
        world.all_tcx()
        world.run("--dev", "up0", "--server-dev", "up0", "--attach", "tcx")
        for direction, programs in ONE_ARM.items():
            equal(world.tcx("up0", direction), programs, f"order on {direction}")


@test
def a_one_arm_interface_runs_the_uplink_program_first_by_clsact():
    with World() as world:
        world.run("--dev", "up0", "--server-dev", "up0", "--attach", "clsact")
        for direction, programs in ONE_ARM.items():
            ids = re.findall(r"\bid (\d+)", world.do(f"tc filter show dev up0 {direction}"))
            equal([tool_json("prog", "show", "id", i)["name"] for i in ids], programs,
                  f"order on {direction}")


@test
def forward_none_attaches_to_the_uplink_alone():
    with World() as world:
        before = world.attached()
        world.run("--dev", "up0", "--forward", "none", "--attach", "clsact")
        equal(world.service()["server_devices"], [], "server side")
        equal(world.attached()[2], before[2], "what is attached to the server side")
        assert "ftpfix_uplink_" in world.tc()[1], "nothing attached to the uplink"


@test
def killed_with_tcx_leaves_nothing():
    with World() as world:
        before = world.all_tcx()
        daemon = world.run("--dev", "up0", "--attach", "tcx")
        assert world.tcx("up0", "ingress"), "nothing attached"
        daemon.end(signal.SIGKILL)
        wait_until(lambda: world.all_tcx() == before, "detached after SIGKILL")
        world.run("--dev", "up0")


@test
def killed_with_clsact_is_replaced_by_the_next():
    with World() as world:
        daemon = world.run("--dev", "up0", "--attach", "clsact")
        daemon.end(signal.SIGKILL)
        contains(world.tc()[1], "ftpfix_uplink_", "what the killed one left")
        daemon = world.run("--dev", "up0", "--attach", "clsact")
        equal(world.tc()[1].count("direct-action"), 1, "filters of the next")
        equal(daemon.end(), 0, "exit status")
        equal(world.tc()[1:], ["", ""], "filters left")


def leaves_nothing_to(killed, *args):
    """What is attached by one that is killed is gone once the next has come."""
    with World() as world:
        if "tcx" in args and not world.has_tcx():
            raise Skipped("kernel without TCX")
        world.run(*killed, "--attach", "clsact").end(signal.SIGKILL)
        left = set(re.findall(r" id (\d+) ", "".join(world.tc())))
        assert left, "the killed one left nothing"
        daemon = world.run("--dev", "up0", "--server-dev", "sv0", *args)
        now = "".join(world.tc() + world.tc("sv0"))
        equal(left & set(re.findall(r" id (\d+) ", now)), set(), "programs of the killed one")
        equal(now.count("direct-action"), 0 if "tcx" in args else 4, "filters")
        equal(daemon.end(), 0, "exit status")


@test
def killed_with_clsact_is_replaced_by_a_user_with_no_more_than_is_needed():
    with World() as world:
        world.run("--dev", "up0", "--attach", "clsact", prefix=CAPABLE).end(signal.SIGKILL)
        contains(world.tc()[1], "ftpfix_uplink_", "what the killed one left")
        daemon = world.run("--dev", "up0", "--attach", "clsact", prefix=CAPABLE)
        equal([text.count("direct-action") for text in world.tc()], [0, 1, 1], "filters of the next")
        equal(daemon.end(), 0, "exit status")
        equal(world.tc()[1:], ["", ""], "filters left")


@test
def killed_with_clsact_is_replaced_by_tcx():
    leaves_nothing_to(["--dev", "up0"], "--attach", "tcx")


@test
def killed_on_one_arm_is_replaced_on_two():
    leaves_nothing_to(["--dev", "up0", "--server-dev", "up0"], "--attach", "clsact")


def add_foreign(world, direction="ingress", priority=5, handle=1):
    words = ["tc", "filter", "add", "dev", "up0", direction, "prio", str(priority), "protocol",
             "all", "handle", str(handle), "bpf", "da", "bytecode", "1,6 0 0 4294967295"]
    done = subprocess.run(world.enter(*words), capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""), "adding a foreign filter")


def foreign_filters_stay(how):
    with World() as world:
        if how == "tcx":
            world.all_tcx()
        world.do("tc qdisc add dev up0 clsact")
        add_foreign(world)
        add_foreign(world, "egress", 7, 9)
        before = world.tc()
        assert before[1] and before[2], "foreign filters are there"
        daemon = world.run("--dev", "up0", "--attach", how)
        equal(daemon.end(), 0, "exit status")
        equal(world.tc(), before, "what tc shows")


@test
def foreign_filters_and_their_qdisc_stay_after_tcx():
    foreign_filters_stay("tcx")


@test
def foreign_filters_and_their_qdisc_stay_after_clsact():
    foreign_filters_stay("clsact")


@test
def an_empty_qdisc_of_someone_else_stays():
    with World() as world:
        world.do("tc qdisc add dev up0 clsact")
        before = world.tc()
        equal(world.run("--dev", "up0", "--attach", "clsact").end(), 0, "exit status")
        equal(world.tc(), before, "what tc shows")


@test
def a_filter_added_to_our_qdisc_keeps_it():
    with World() as world:
        daemon = world.run("--dev", "up0", "--attach", "clsact")
        add_foreign(world, "egress")
        equal(daemon.end(), 0, "exit status")
        contains(world.tc()[0], "clsact", "qdisc")
        equal(world.tc()[1], "", "ingress filters")
        equal(world.tc()[2].count("handle 0x1"), 1, "the foreign filter")


@test
def a_foreign_filter_in_our_place_is_not_replaced():
    with World() as world:
        world.do("tc qdisc add dev up0 clsact")
        add_foreign(world, "egress", 21, 0x465450)
        before = world.tc()
        world.refused("run", "--dev", "up0", "--attach", "clsact", text="another filter at")
        equal(world.tc(), before, "what tc shows")


@test
def filters_that_others_take_off_are_put_back():
    with World() as world:
        daemon = world.run("--dev", "up0", "--attach", "clsact")
        before = world.tc()
        for words in "qdisc del dev up0 clsact", "filter del dev up0 egress prio 21":
            world.do(f"tc {words}")
            wait_until(lambda: world.tc() == before, f"the filters after {words}")
        log = daemon.log()
        equal([log.count(f"up0: someone took the program off {direction}, and it was put back\n")
               for direction in ("ingress", "egress")], [1, 2], "lines of the log")
        world.do("tc filter del dev up0 ingress prio 21")
        add_foreign(world, "ingress", 21, 0x465450)
        wait_until(lambda: "off ingress, and it cannot be put back: File exists; is another filter "
                           "at priority 21?" in daemon.log(), "the line of the log")
        equal([row["tc"] for row in world.show("interfaces")["interfaces"]], [None, "clsact"],
              "what is shown")
        world.do("tc filter del dev up0 ingress prio 21")
        wait_until(lambda: world.tc() == before, "the filters without the foreign one")
        equal([row["tc"] for row in world.show("interfaces")["interfaces"]], ["clsact"] * 2,
              "what is shown then")
        equal(daemon.log().count("cannot be put back"), 1, "lines of what cannot be")
        equal(daemon.end(), 0, "exit status")
        equal(world.tc()[1:], ["", ""], "filters left")


@test
def a_replaced_filter_is_not_detached():
    with World() as world:
        daemon = world.run("--dev", "up0", "--attach", "clsact")
        world.do("tc filter del dev up0 egress")
        add_foreign(world, "egress", 21, 0x465450)
        equal(daemon.end(), 0, "exit status")
        contains(world.tc()[2], "0x465450", "the foreign filter")
