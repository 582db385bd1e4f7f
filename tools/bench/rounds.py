# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The order in which contenders have their turns."""


def alternating(contenders, rounds):
    """Yields (round, contender) in an order in which nobody is always first, and nobody
    always after the same. Round 0 is one more, in which caches and tables fill."""
    for turn in range(rounds + 1):
        order = contenders[turn % len(contenders):] + contenders[:turn % len(contenders)]
        for contender in order if turn // len(contenders) % 2 == 0 else reversed(order):
            yield turn, contender
