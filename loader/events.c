// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Turns the dataplane's events into lines of the log, not too many of them.
 * This file knows nothing of how the events come about.
 */
#include "events.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "log.h"
#include "reason.h"

/* Lines in a second, for each reason. */
#define LINES_MAX 10

struct events {
	struct ring_buffer *ring;
	struct watch watch;
	struct {
		unsigned int lines;
		unsigned long suppressed;
	} second[FTPFIX_REASON_COUNT];
};

/* What the operator can do about it. A reason without one is only told. */
static const char *const mends[FTPFIX_REASON_COUNT] = {
	[FTPFIX_ANNOUNCEMENT_SPLIT] = "if it recurs, look for a small MSS or a server that writes "
				      "replies in pieces",
	[FTPFIX_ANNOUNCEMENT_LENGTH] =
		"shorter numbers in --data-ports or --advertise give room, and "
		"so do passive ports from 10000 on at the server",
	[FTPFIX_ANNOUNCEMENT_PORT_LOW] = "give the server a passive port range above 1023",
	[FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED] = "if it is a server of yours, name it with --server",
	[FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN] = "name the interface toward the server with "
					      "--server-dev, and the server's own control "
					      "port with --port",
	[FTPFIX_ANNOUNCEMENT_NO_FREE_PORT] = "widen --data-ports",
	[FTPFIX_ANNOUNCEMENT_TABLE_FULL] = "compare ftpfix_expectations and ftpfix_sessions with "
					   "their _max",
	[FTPFIX_CONNECTION_NO_SOURCE_PORT] = "fullnat needs free ports at the source address; "
					     "name another with --source",
	[FTPFIX_CONNECTION_TABLE_FULL] = "compare ftpfix_flows with ftpfix_flows_max",
};

static const char *endpoint(const struct ftpfix_endpoint *endpoint, char text[ENDPOINT_TEXT_MAX])
{
	if (address_is_none(&endpoint->addr) && !endpoint->be_port)
		return "nothing readable";
	return endpoint_format(&endpoint->addr, endpoint->be_port, text);
}

/* One line: whose session, what the server announced, what the client was told
 * instead, what came of it, and the mend. */
static void print_event(const struct ftpfix_event *event)
{
	char client[ENDPOINT_TEXT_MAX], host[ENDPOINT_TEXT_MAX], service[ENDPOINT_TEXT_MAX];
	char announced[ENDPOINT_TEXT_MAX], published[ENDPOINT_TEXT_MAX];
	const struct ftpfix_tuple *session = &event->session;
	const char *mend = mends[event->reason];

	endpoint_format(&session->source, session->be_source_port, client);
	endpoint_format(&session->destination, session->be_destination_port, service);
	if (event->reason == FTPFIX_CONNECTION_NOBODY_CAME) {
		log_line("session %s to %s: announced %s to %s, nobody came: is the port range "
			 "open in the firewall?",
			 client, service, endpoint(&event->published, published),
			 address_format(&session->source, host));
		return;
	}
	log_line("session %s to %s: the server announced %s, the client was told %s: %s%s%s",
		 client, service, endpoint(&event->announced, announced),
		 event->published.be_port ? endpoint(&event->published, published) : "the same",
		 reasons[event->reason].help, mend ? "; " : "", mend ? mend : "");
}

static int take_event(void *context, void *data, size_t size)
{
	struct events *events = context;
	const struct ftpfix_event *event = data;

	if (size < sizeof(*event) || event->reason >= FTPFIX_REASON_COUNT)
		return 0;
	if (events->second[event->reason].lines == LINES_MAX) {
		events->second[event->reason].suppressed++;
		return 0;
	}
	events->second[event->reason].lines++;
	print_event(event);
	return 0;
}

static void ready(void *context, uint32_t ready_events)
{
	struct events *events = context;

	(void)ready_events;
	ring_buffer__consume(events->ring);
}

struct events *events_start(const struct loop *loop, int map)
{
	struct events *events;

	events = calloc(1, sizeof(*events));
	if (!events)
		return NULL;
	events->ring = ring_buffer__new(map, take_event, events, NULL);
	if (!events->ring) {
		log_line("the ring buffer of events cannot be read: %s", strerror(errno));
		goto out;
	}
	events->watch = (struct watch){
		.fd = ring_buffer__epoll_fd(events->ring), .ready = ready, .context = events};
	if (loop_watch(loop, &events->watch, EPOLLIN))
		goto out;
	return events;
out:
	events_stop(events);
	return NULL;
}

void events_second(struct events *events)
{
	for (int i = 0; i < FTPFIX_REASON_COUNT; i++) {
		if (events->second[i].suppressed)
			log_line("%lu more suppressed (%s, %s)", events->second[i].suppressed,
				 families[reasons[i].family].name, reasons[i].label);
		events->second[i].suppressed = 0;
		events->second[i].lines = 0;
	}
}

void events_stop(struct events *events)
{
	if (!events)
		return;
	ring_buffer__free(events->ring);
	free(events);
}
