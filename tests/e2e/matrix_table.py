# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints the matrix: for each mode a table of clients by servers, and why a cell
has no test. Knows no more of a cell than it shows."""


def lines(cells, without=False):
    """`without`: what was seen without ftpfix instead of the result."""
    yield from _verdicts(cells, without)
    reasons = sorted({reason for one in cells for reason in one.lacks})
    if reasons:
        yield ""
        yield "Not there:" if not without else "Not tried:"
        yield from (f"  {reason}" for reason in reasons)


def _verdicts(cells, without):
    for mode in dict.fromkeys(one.mode for one in cells):
        here = [one for one in cells if one.mode == mode]
        servers = list(dict.fromkeys(one.server for one in here))
        rows = {}
        for one in here:
            rows.setdefault(one.client, []).append(_seen(one) if without else one.result)
        widths = [max(len(text) for text in column)
                  for column in zip(servers, *rows.values())]
        first = max(len(mode.name), *(len(client) for client in rows))
        yield ""
        yield _row(mode.name, first, servers, widths)
        yield _row("-" * first, first, ["-" * width for width in widths], widths)
        for client, results in rows.items():
            yield _row(client, first, results, widths)


def _row(head, first, texts, widths):
    return "  ".join([head.ljust(first),
                      *(text.ljust(width) for text, width in zip(texts, widths))]).rstrip()


def _seen(one):
    if not one.verbs or one.skipped:
        return one.result
    return ", ".join(f"{verb} {one.without[verb][0]}"
                     for verb in one.verbs if verb in one.without) or "FAILED"
