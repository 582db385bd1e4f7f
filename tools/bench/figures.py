# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What was measured: taken round by round, told as medians with their spread, as a
table and as JSON. Knows nothing of how it was measured."""
import json
import os
import platform
import statistics


def load():
    with open("/proc/loadavg", encoding="ascii") as file:
        return float(file.read().split()[0])


def processor():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


class Table:
    """One measure: the values of each contender in each round."""

    def __init__(self, key, title, unit, note, digits=0):
        self.key = key
        self.title = title
        self.unit = unit
        self.note = note
        self._digits = digits
        self._values = {}

    def add(self, row, contender, value):
        self._values.setdefault((row, contender), []).append(value)

    def values(self, row, contender):
        return self._values.get((row, contender), [])

    def median(self, row, contender):
        """Or None where nothing was measured."""
        values = self.values(row, contender)
        return statistics.median(values) if values else None

    def _summary(self, row, contender):
        values = self.values(row, contender)
        quartiles = (statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1
                     else values * 3)
        return {"row": row, "contender": contender, "rounds": len(values),
                "median": statistics.median(values), "quartile_low": quartiles[0],
                "quartile_high": quartiles[2], "min": min(values), "max": max(values)}

    def summaries(self):
        rows = list(dict.fromkeys(row for row, _contender in self._values))
        return [self._summary(row, contender) for row, contender
                in sorted(self._values, key=lambda pair: rows.index(pair[0]))]

    def noise(self):
        """How far the quartiles lie apart, in shares of the median: of the middle one of the
        figures, and of the worst one. None where nothing was repeated.

        Left out are figures whose quartiles have zero between them: a difference that is next
        to nothing has no share that would mean anything."""
        repeated = [one for one in self.summaries() if one["rounds"] > 1]
        shares = [(one["quartile_high"] - one["quartile_low"]) / abs(one["median"])
                  for one in repeated if one["quartile_low"] > 0 or one["quartile_high"] < 0]
        if not shares:
            return None
        return {"middle": statistics.median(shares), "worst": max(shares),
                "left_out": len(repeated) - len(shares)}

    def print(self):
        print(f"\n{self.title} [{self.unit}]")
        for line in self.note.split("\n"):
            print(f"  {line}")
        last = None
        for one in self.summaries():
            if one["row"] != last:
                print(f"\n  {one['row']:<48} {'median':>10}   {'quartiles':>21}   "
                      f"{'min .. max':>21}  rounds")
                last = one["row"]

            def show(value):
                return f"{value:,.{self._digits}f}"
            middle = f"{show(one['quartile_low'])} .. {show(one['quartile_high'])}"
            whole = f"{show(one['min'])} .. {show(one['max'])}"
            print(f"    {one['contender']:<46} {show(one['median']):>10}   {middle:>21}   "
                  f"{whole:>21}  {one['rounds']:>6}")

        noise = self.noise()
        if noise:
            print(f"\n  noise: the quartiles lie {noise['middle']:.1%} of the median apart in the "
                  f"middle one of these figures, {noise['worst']:.1%} in the worst")
            if noise["left_out"]:
                print(f"  left out of that, with zero between the quartiles: {noise['left_out']}")

    def model(self):
        return {"title": self.title, "unit": self.unit, "note": self.note, "noise": self.noise(),
                "rows": self.summaries()}


class Figures:
    """All that one run has to tell."""

    def __init__(self):
        self.tables = {}
        self._skipped = []
        self._targets = []
        self._load = load()

    def table(self, key, title, unit, note, digits=0):
        self.tables[key] = Table(key, title, unit, note, digits)
        return self.tables[key]

    def skip(self, what, why):
        self._skipped.append({"what": what, "why": why})
        print(f"left out: {what}: {why}", flush=True)

    def target(self, what, found, bound, at_least):
        """found may be None: then it could not be told."""
        met = None if found is None else found >= bound if at_least else found <= bound
        self._targets.append({"what": what, "found": found, "bound": bound,
                              "at_least": at_least, "met": met})

    def print(self):
        for table in self.tables.values():
            table.print()
        if self._targets:
            print("\nwhat was aimed at")
        for one in self._targets:
            found = "not measured" if one["found"] is None else f"{one['found']:.2f}"
            verdict = {True: "met", False: "NOT met", None: ""}[one["met"]]
            print(f"  {one['what']:<66} {found:>8}  "
                  f"{'at least' if one['at_least'] else 'at most'} {one['bound']}  {verdict}")
        if self._skipped:
            print("\nleft out")
        for one in self._skipped:
            print(f"  {one['what']}: {one['why']}")

    def write(self, path, seconds):
        model = {"machine": {"kernel": platform.release(), "processor": processor(),
                             "cpus": os.cpu_count(), "load_before": self._load,
                             "load_after": load()},
                 "seconds": round(seconds),
                 "tables": {key: table.model() for key, table in self.tables.items()},
                 "targets": self._targets, "skipped": self._skipped}
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(model, file, indent=1, ensure_ascii=False)
            file.write("\n")
        os.rename(f"{path}.new", path)
