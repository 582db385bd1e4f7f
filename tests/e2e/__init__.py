# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""End-to-end tests: real servers and clients in network namespaces."""
