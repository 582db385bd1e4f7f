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

#include <netinet/in.h>

#include "ftpfix.h"
#include "log.h"

struct prefix {
	__be32 be_network;
	unsigned int length; /* 0..32 */
};

/* A port from 1 to 65535. */
int value_port(const char *name, const char *text, __u16 *port, struct problem *problem);

/* LO-HI, both ends in the range, FTPFIX_PORT_MIN <= LO <= HI <= 65535. */
int value_port_range(const char *name, const char *text, __u16 *low, __u16 *high,
		     struct problem *problem);

/* An IPv4 address that another host can send packets to. */
int value_host(const char *name, const char *text, struct ftpfix_addr *addr,
	       struct problem *problem);

/* ADDR or ADDR/LEN without host bits. */
int value_prefix(const char *name, const char *text, struct prefix *prefix,
		 struct problem *problem);

/* ADDR:PORT to listen on; 0.0.0.0 stands for every address. */
int value_listen(const char *name, const char *text, struct sockaddr_in *address,
		 struct problem *problem);

#endif /* VALUE_H */
