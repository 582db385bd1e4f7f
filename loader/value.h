/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the values that an operator writes: addresses, prefixes, ports, ranges.
 * This header knows nothing of options, nor of what depends on two values.
 *
 * Every function returns 0, or -EINVAL after wording the problem; `name` is the
 * option or setting that the problem is about.
 */
#ifndef VALUE_H
#define VALUE_H

#include <stddef.h>

#include "address.h"
#include "log.h"

/* What a number may be, both ends in it. */
struct span {
	unsigned int low;
	unsigned int high;
};

/* A port from 1 to 65535. */
int value_port(const char *name, const char *text, __u16 *port, struct problem *problem);

/* LO-HI, both ends in the range, FTPFIX_PORT_MIN <= LO <= HI <= 65535. */
int value_port_range(const char *name, const char *text, __u16 *low, __u16 *high,
		     struct problem *problem);

/* A number of seconds within the span. */
int value_seconds(const char *name, const char *text, const struct span *allowed,
		  unsigned int *seconds, struct problem *problem);

/* A number within the span. */
int value_number(const char *name, const char *text, const struct span *allowed,
		 unsigned int *number, struct problem *problem);

/* One of the words; its index. */
int value_word(const char *name, const char *text, const char *const *words, size_t count,
	       unsigned int *choice, struct problem *problem);

/* An address that another host can send packets to. */
int value_host(const char *name, const char *text, struct ftpfix_addr *addr,
	       struct problem *problem);

/* ADDR, ADDR:PORT, [ADDR] or [ADDR]:PORT of such a host; port 0 where none is given. */
int value_endpoint(const char *name, const char *text, struct ftpfix_endpoint *endpoint,
		   struct problem *problem);

/* ADDR or ADDR/LEN without host bits. */
int value_prefix(const char *name, const char *text, struct prefix *prefix,
		 struct problem *problem);

/* ADDR:PORT or [ADDR]:PORT to listen on; 0.0.0.0 stands for every IPv4 address, ::
 * for every address. */
int value_listen(const char *name, const char *text, struct ftpfix_endpoint *endpoint,
		 struct problem *problem);

#endif /* VALUE_H */
