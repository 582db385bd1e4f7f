# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Plays many sessions in parallel: one node for each worker, every worker a
process of its own that takes every n-th session. Knows no case."""
import ctypes
import os
import pickle
import signal
import sys
import traceback
from dataclasses import dataclass, field, replace

from e2e.world import World

from .lab import Lab
from .session import HUNG, RIGHT, WRONG, Outcome, Session

PR_SET_PDEATHSIG = 1
FAILURES_KEPT = 3
# Client ports, one after the other: a port comes again when it is long forgotten.
FIRST_PORT, PORTS = 2000, 62000


@dataclass
class Tally:
    """What became of the sessions of one name."""
    total: int = 0
    right: int = 0
    verdicts: dict = field(default_factory=dict)
    timeouts: int = 0
    failures: list = field(default_factory=list)

    def add(self, label, outcome, prompt=False):
        self.total += 1
        self.timeouts += outcome.timeouts
        verdict, why = outcome.verdict, outcome.why
        if verdict == RIGHT and prompt and outcome.timeouts:
            verdict, why = "late", "it cost a retransmission time-out"
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        if verdict == RIGHT:
            self.right += 1
        elif len(self.failures) < FAILURES_KEPT:
            self.failures.append((label, verdict, why, outcome.packets))

    def merge(self, other):
        self.total += other.total
        self.right += other.right
        self.timeouts += other.timeouts
        for verdict, count in other.verdicts.items():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + count
        self.failures = (self.failures + other.failures)[:FAILURES_KEPT]


@dataclass(frozen=True)
class Job:
    """A session to play. `name` is what it counts under."""
    name: str
    label: str
    spec: object
    version: int = 4
    prompt: bool = False
    port: bool = True           # the runner chooses the client's port


def play(lab, families, job, number):
    spec = job.spec
    if job.port:
        spec = replace(spec, port=FIRST_PORT + number % PORTS)
    try:
        outcome = Session(lab, families[job.version], spec).play()
        if job.prompt and outcome.verdict == RIGHT and outcome.timeouts:
            outcome = _patiently(lab, families, job, spec)
        return outcome
    except Exception:
        return Outcome(WRONG, "the oracle itself failed: " + traceback.format_exc())


def _patiently(lab, families, job, spec):
    """A packet that this machine was slow to deliver is no time-out."""
    lab.wire.patient = True
    try:
        return Session(lab, families[job.version], replace(
            spec, port=FIRST_PORT + (spec.port + PORTS // 2) % PORTS)).play()
    finally:
        lab.wire.patient = False


def _work(lab, families, jobs, share, of, pipe):
    """In a worker: plays its share and hands over the counts."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    tallies = {}
    for number, job in enumerate(jobs):
        if number % of == share:
            tally = tallies.setdefault(job.name, Tally())
            tally.add(job.label, play(lab, families, job, number), job.prompt)
    with os.fdopen(pipe, "wb") as out:
        pickle.dump(tallies, out)


def run(mode, helper, families, jobs, workers):
    """Plays all jobs, an iterable that can be begun again; returns the tallies by
    name in the order of their first job."""
    with World() as world:
        labs = [Lab(world, mode, helper) for _ in range(workers)]
        sys.stdout.flush()
        pipes, children = [], []
        try:
            for share, lab in enumerate(labs):
                reading, writing = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(reading)
                    _child(lab, families, jobs, share, workers, writing)
                os.close(writing)
                pipes.append(reading)
                children.append(child)
            parts = [_read(pipe) for pipe in pipes]
        finally:
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                os.waitpid(child, 0)
        tallies = {}
        for part in parts:
            for name, tally in part.items():
                tallies.setdefault(name, Tally()).merge(tally)
        complaints = world.describe() if any(
            HUNG in tally.verdicts for tally in tallies.values()) else []
        return tallies, complaints


def _child(*arguments):
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _work(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _read(pipe):
    with os.fdopen(pipe, "rb") as incoming:
        data = incoming.read()
    if not data:
        raise RuntimeError("a worker of the oracle ended early")
    return pickle.loads(data)
