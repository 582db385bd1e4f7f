# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The scenarios, in the order in which they run."""
from . import (  # noqa: F401
    eip, nat, fullnat, many, transfers, strict, runtime, large, onearm, active, inside, ipv6,
    attacks, slipstream, tls, tls_data, commands, rewriting, client_address, pmtu, path,
    balancer, balancer_changes, unwell, elsewhere, connections, xdp, floods)
