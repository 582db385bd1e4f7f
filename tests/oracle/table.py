# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Both helpers over the same cases on the same node, side by side."""
from .modes import FAMILIES
from .runner import run

HELPERS = (("kernel", "nf_nat_ftp"), ("ftpfix", "ftpfix"))


def _played(group, helper, jobs):
    """Tallies by name, or why there are none."""
    try:
        return run(group.mode, helper, FAMILIES, group, jobs)[0], None
    except Exception as error:
        return {}, str(error)


def _cell(tallies, name):
    tally = tallies.get(name)
    return f"{tally.right}/{tally.total}" if tally else "-"


def show(groups, jobs):
    names = [f"{group.mode.name}, {name}" for group in groups for name in group.names]
    width = max(map(len, names))
    print(f"{'case':{width}} | {HELPERS[0][1]:>12} | {HELPERS[1][1]:>12}", flush=True)
    sums = {helper: [0, 0] for helper, _ in HELPERS}
    for group in groups:
        played = {}
        for helper, title in HELPERS:
            played[helper], why = _played(group, helper, jobs)
            if why:
                print(f"# {group.mode.name}, {title}: {why}")
            for tally in played[helper].values():
                sums[helper][0] += tally.right
                sums[helper][1] += tally.total
        for name in group.names:
            cells = [_cell(played[helper], name) for helper, _ in HELPERS]
            print(f"{f'{group.mode.name}, {name}':{width}} | {cells[0]:>12} | {cells[1]:>12}",
                  flush=True)
    cells = [f"{right}/{total}" for right, total in sums.values()]
    print(f"{'all':{width}} | {cells[0]:>12} | {cells[1]:>12}")
    return 0
