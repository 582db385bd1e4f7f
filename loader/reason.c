// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The list of reasons as tables. This file knows nothing of maps or output.
 */
#include "reason.h"

const struct reason reasons[FTPFIX_REASON_COUNT] = {
#define REASON(symbol, family, label, help) [FTPFIX_##symbol] = {FAMILY_##family, label, help},
	FTPFIX_REASONS(REASON)
#undef REASON
};

const struct family families[FAMILY_COUNT] = {
	[FAMILY_announcements] = {"announcements",
				  "227, 229, PORT, EPRT and HOST lines, by what was done to "
				  "them."},
	[FAMILY_commands] = {"commands", "Other commands worth a look, by what they are."},
	[FAMILY_sessions] = {"sessions", "Control connections, by what became of them."},
	[FAMILY_connections] = {"connections", "Data connections, by what became of them."},
	[FAMILY_balanced] = {"balanced",
			     "Control connections to a virtual address of ftpfix's own, by what "
			     "became of them."},
	[FAMILY_packets] = {"packets", "Packets that were decided about, by the decision."},
	[FAMILY_bytes] = {"bytes", "Bytes of IP packets, by the decision."},
	[FAMILY_events] = {"events", "Events for the log, by what became of them."},
};
