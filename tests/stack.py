#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The deepest calls of each BPF program, from the compiled object: the kernel
takes eight frames and 512 bytes of stack along them, and Linux 6.1 rounds each frame
up to 32 bytes, which a newer kernel that runs the other tests does not show. Speaks TAP.

    tests/stack.py              every object that the build made
    tests/stack.py OBJECT...    these
"""
import re
import struct
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
OBJECTS = ("build/ftpfix.bpf.o", "build/tests/ftpfix-clang-19.bpf.o")

FRAMES_MAX = 8
STACK_MAX = 512
STACK_ROUND = 32

CALL = 0x85
CALL_LOCAL = 1  # the source register of a call within the object
INSN_SIZE = 8


class Function:
    def __init__(self, name, section, offset):
        self.name = name
        self.section = section
        self.offset = offset
        self.stack = 0
        self.calls = []  # names, or (section, offset)


def parse(listing):
    """The functions of a disassembly with relocations."""
    functions, section, current, insn = [], None, None, b""
    for line in listing.splitlines():
        if match := re.match(r"Disassembly of section (.*):", line):
            section = match[1]
        elif match := re.match(r"([0-9a-f]+) <(.*)>:", line):
            if not match[2].startswith("LBB"):
                current = Function(match[2], section, int(match[1], 16))
                functions.append(current)
        elif match := re.match(r"\s+(\d+):\t((?:[0-9a-f]{2} ?)+)\s*\t(.*)", line):
            insn = bytes.fromhex(match[2].replace(" ", ""))
            _note_stack(current, match[3])
            if insn[0] == CALL and insn[1] >> 4 == CALL_LOCAL:
                current.calls.append((section, (int(match[1]) + 1 + _immediate(insn)) * INSN_SIZE))
        elif match := re.search(r"R_BPF_64_(32|64)\s+(\S+)", line):
            _note_relocation(current, match[1] == "32", match[2], insn)
    return functions


def _immediate(insn):
    return struct.unpack_from("<i", insn, 4)[0]


def _note_stack(function, text):
    """How far below the frame pointer an instruction reaches."""
    reaches = re.findall(r"r10 - (\d+)\)", text) + re.findall(r"r\d+ \+= -(\d+)$", text)
    function.stack = max([function.stack] + [int(reach) for reach in reaches
                                             if int(reach) <= STACK_MAX])


def _note_relocation(function, is_call, symbol, insn):
    """A call to, or the address of (of a loop's body), another function."""
    if is_call:
        function.calls.pop()
    if symbol == ".text":
        offset = (_immediate(insn) + 1) * INSN_SIZE if is_call else _immediate(insn)
        function.calls.append((".text", offset))
    else:
        function.calls.append(symbol)


class Graph:
    def __init__(self, functions):
        self._functions = functions
        self._by_name = {function.name: function for function in functions}
        self._by_place = {(function.section, function.offset): function for function in functions}

    def entries(self):
        return [function for function in self._functions if function.section != ".text"]

    def _callees(self, function):
        found = (self._by_place.get(call) if isinstance(call, tuple) else self._by_name.get(call)
                 for call in function.calls)
        return {callee.name: callee for callee in found if callee}.values()

    def deepest(self, function, measure):
        """The most that measure() adds up to along calls, and those calls."""
        below = [self.deepest(callee, measure) for callee in self._callees(function)]
        total, path = max(below, key=lambda found: found[0], default=(0, []))
        return total + measure(function), [function.name] + path


def rounded_stack(function):
    return -(-max(function.stack, 1) // STACK_ROUND) * STACK_ROUND


def check(path):
    """What is wrong with an object, and what it needs."""
    listing = subprocess.run(["llvm-objdump-14", "-dr", path], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    graph = Graph(parse(listing))
    wrong, seen = [], []
    for entry in graph.entries():
        frames, chain = graph.deepest(entry, lambda function: 1)
        stack, heavy = graph.deepest(entry, rounded_stack)
        seen.append(f"{entry.name}: {frames} frames, {stack} bytes")
        if frames > FRAMES_MAX:
            wrong.append(f"{frames} frames: {' > '.join(chain)}")
        if stack > STACK_MAX:
            wrong.append(f"{stack} bytes: {' > '.join(heavy)}")
    if not any(frame.startswith("ftpfix_uplink_ingress: ") for frame in seen):
        wrong.append("the disassembly shows no programs")
    return wrong, seen


def main():
    named = sys.argv[1:]
    objects = [Path(name) for name in named] or [TOP / name for name in OBJECTS]
    print(f"1..{len(objects)}")
    failed = False
    for number, path in enumerate(objects, 1):
        title = f"{number} - {path.name}: frames and stack suit Linux 6.1"
        if not named and not path.exists():
            print(f"ok {title} # SKIP {path.name} was not built")
            continue
        wrong, seen = check(path)
        for line in seen + wrong:
            print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} {title}", flush=True)
        failed = failed or bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
