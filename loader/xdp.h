/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The XDP programs on their devices, and the maps that tell them where they may send.
 * This header knows nothing of what the programs do.
 */
#ifndef XDP_H
#define XDP_H

#include "config.h"
#include "dataplane.h"
#include "loop.h"

#define XDP_REASON_MAX 192

struct xdp;

/* What holds for one interface now. */
struct xdp_view {
	unsigned int index;
	__u32 sides;		     /* bits 1 << enum ftpfix_side */
	unsigned int device;	     /* that carries it, or itself; 0: none can be */
	__u16 vlan;		     /* 0: none */
	const char *mode;	     /* "native", "generic" or "off": of what comes in */
	bool sends;		     /* XDP sends out of it */
	bool gone;		     /* nothing is attached there any more */
	char reason[XDP_REASON_MAX]; /* why not all goes by XDP; empty: all does */
};

/* Attaches the programs as the configuration asks and fills in their maps, which it keeps up
 * to date from then on. Prints what is wrong; NULL then. */
struct xdp *xdp_start(const struct loop *loop, const struct dataplane *dataplane,
		      const struct config *config);

/* Called once a second: looks at the devices again from time to time. */
void xdp_second(struct xdp *xdp);

size_t xdp_count(const struct xdp *xdp);

/* The interface of a number below xdp_count(). */
void xdp_look(const struct xdp *xdp, size_t number, struct xdp_view *view);

/* Detaches what was attached. */
void xdp_stop(struct xdp *xdp);

#endif /* XDP_H */
