# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is played in one run, grouped by the node that it needs, and how its
outcome is told in TAP."""
import time
import traceback
from dataclasses import dataclass, replace

from . import chance
from .cases import CASES
from .modes import FAMILIES, MODES
from .runner import Job, run
from .scripts import sessions


@dataclass
class Group:
    """Everything that one mode has to play."""
    mode: object
    jobs: list          # of functions that yield jobs
    names: list

    def __iter__(self):
        for make in self.jobs:
            yield from make()


def _case_name(case, version):
    return f"IPv{version}: {case.name}"


def _case_jobs(mode, version, case):
    def make():
        name = _case_name(case, version)
        for label, spec in sessions(mode, FAMILIES[version], case):
            yield Job(name, label, spec, version, case.prompt)
    return make


def _random_jobs(mode, seeds):
    def make():
        for seed, version in seeds:
            label = f"tests/oracle.py --seed {seed} --mode {mode.name} --family {version}"
            yield Job("random sessions", label,
                      chance.session(seed, mode, FAMILIES[version]), version, port=False)
    return make


def groups(chosen, cases, random_sessions):
    modes = [mode for mode in MODES if not chosen.mode or mode.name in chosen.mode]
    if chosen.rewrite:
        modes = [replace(mode, options=(*mode.options, "--rewrite", chosen.rewrite))
                 for mode in modes]
    versions = [chosen.family] if chosen.family else [4, 6]
    wanted = [case for case in CASES if cases and (
        not chosen.case or any(words in case.name for words in chosen.case))]
    seeds = {mode.name: [] for mode in modes}
    first = chosen.seed if chosen.seed is not None else 1
    for seed in range(first, first + random_sessions):
        mode, version = chance.choose(seed, modes, versions)
        seeds[mode.name].append((seed, version))
    made = []
    for mode in modes:
        jobs, names = [], []
        for version in versions:
            for case in wanted:
                jobs.append(_case_jobs(mode, version, case))
                names.append(_case_name(case, version))
        if seeds[mode.name]:
            jobs.append(_random_jobs(mode, seeds[mode.name]))
            names.append("random sessions")
        if names:
            made.append(Group(mode, jobs, names))
    return made


def say(text):
    print(text, flush=True)


class Report:
    """TAP."""

    def __init__(self, count):
        self._number = 0
        self.failed = 0
        say(f"1..{count}")

    def _result(self, good, name):
        self._number += 1
        self.failed += not good
        say(f"{'ok' if good else 'not ok'} {self._number} - {name}")

    def skip(self, group, reason):
        for name in group.names:
            self._number += 1
            say(f"ok {self._number} - {group.mode.name}, {name} # SKIP {reason}")

    def kernel(self, complaints):
        for line in complaints:
            say(f"# kernel: {line}")
        self._result(not complaints, "the kernel complained of nothing")

    def own(self, name, function):
        try:
            function()
        except Exception:
            for line in traceback.format_exc().splitlines():
                say(f"# {line}")
            self._result(False, name)
        else:
            self._result(True, name)

    def group(self, group, chosen):
        started = time.monotonic()
        try:
            tallies, complaints = run(group.mode, chosen.helper, FAMILIES, group, chosen.jobs)
        except Exception as error:
            for line in str(error).splitlines():
                say(f"# {line}")
            for name in group.names:
                self._result(False, f"{group.mode.name}, {name}: nothing was played")
            return
        for name in group.names:
            tally = tallies[name]
            for failure in tally.failures:
                self._failure(*failure)
            kinds = ", ".join([f"{count} {verdict}" for verdict, count
                               in sorted(tally.verdicts.items()) if verdict != "right"] +
                              [f"{tally.timeouts} time-outs"] * bool(tally.timeouts))
            self._result(tally.right == tally.total,
                         f"{group.mode.name}, {name}: {tally.right}/{tally.total}"
                         f"{' (' + kinds + ')' if kinds else ''}")
        for line in complaints:
            say(f"# {line}")
        total = sum(tally.total for tally in tallies.values())
        timeouts = sum(tally.timeouts for tally in tallies.values())
        say(f"# {group.mode.name}: {total} sessions, {timeouts} retransmission time-outs, "
            f"{time.monotonic() - started:.1f} s")

    @staticmethod
    def _failure(label, verdict, why, packets):
        say(f"# {verdict}: {label}")
        for line in why.splitlines():
            say(f"#   {line}")
        for line in packets:
            say(f"#     {line}")
