/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One running ftpfix: its settings, its programs and maps, where they are.
 * This header knows nothing of how it is asked or shown.
 */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <time.h>

#include "attach.h"
#include "balancer.h"
#include "config.h"
#include "dataplane.h"
#include "follow.h"
#include "route_watch.h"
#include "xdp.h"

struct instance {
	struct config config;
	struct dataplane dataplane;
	struct follow *follow;	   /* of config.advertise */
	struct balancer *balancer; /* of config.virtual; NULL: there are none */
	struct attachments attachments;
	struct xdp *xdp;
	struct route_watch *routes;
	time_t started; /* wall clock */
};

#endif /* INSTANCE_H */
