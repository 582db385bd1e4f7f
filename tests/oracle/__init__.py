# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Plays both ends of FTP control connections through a forwarding node."""
