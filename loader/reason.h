/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of reasons as tables. This header knows nothing of maps or output.
 */
#ifndef REASON_H
#define REASON_H

#include "ftpfix.h"

/* The families in the order of the list; a reason of an unknown one does not
 * compile. */
enum reason_family {
	FAMILY_announcements,
	FAMILY_commands,
	FAMILY_sessions,
	FAMILY_connections,
	FAMILY_balanced,
	FAMILY_packets,
	FAMILY_bytes,
	FAMILY_events,
	FAMILY_COUNT,
};

struct reason {
	enum reason_family family;
	const char *label;
	const char *help;
};

struct family {
	const char *name;
	const char *help;
};

extern const struct reason reasons[FTPFIX_REASON_COUNT];
extern const struct family families[FAMILY_COUNT];

#endif /* REASON_H */
