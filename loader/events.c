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

/* An endpoint and the words before it. */
#define PHRASE_MAX (ENDPOINT_TEXT_MAX + 24)

struct events {
	struct ring_buffer *ring;
	struct watch watch;
	bool clients_inside;
	struct {
		unsigned int lines;
		unsigned long suppressed;
	} second[FTPFIX_REASON_COUNT];
};

/* What the operator can do about it. A reason without one is only told. */
static const char *const mends[FTPFIX_REASON_COUNT] = {
	[FTPFIX_ANNOUNCEMENT_LENGTH] =
		"--rewrite auto makes room; without it shorter numbers in --data-ports or "
		"--advertise do, and so do passive ports from 10000 on at the server",
	[FTPFIX_ANNOUNCEMENT_UNASKED] = "a proxy that asks by itself needs --allow unasked",
	[FTPFIX_ANNOUNCEMENT_MULTILINE] = "--allow multiline follows it, and whatever a server "
					  "quotes in a banner or a listing too",
	[FTPFIX_ANNOUNCEMENT_PORT_LOW] = "use data ports above 1023, or say --allow low-port",
	[FTPFIX_ANNOUNCEMENT_ADDRESS_REFUSED] = "if it is a server of yours, name it with --server",
	[FTPFIX_ANNOUNCEMENT_BOUNCE] = "a transfer between two servers needs --fxp",
	[FTPFIX_ANNOUNCEMENT_EPSV_ALL] = "--allow after-epsv-all lets it pass",
	[FTPFIX_ANNOUNCEMENT_FOREIGN] = "if it is FTP all the same, say --allow foreign",
	[FTPFIX_ANNOUNCEMENT_SERVER_UNSEEN] = "name the interface of the other side with "
					      "--server-dev, and its own control port with "
					      "--port",
	[FTPFIX_ANNOUNCEMENT_NO_FREE_PORT] = "widen --data-ports",
	[FTPFIX_ANNOUNCEMENT_TABLE_FULL] = "compare ftpfix_expectations and ftpfix_sessions with "
					   "their _max",
	[FTPFIX_COMMAND_LONG_ADDRESS] = "let the client use EPSV or EPRT",
	[FTPFIX_SESSION_OPAQUE] = "nothing on the way can read it: the server itself must announce "
				  "the public address, and with --vip a port of --tls-data-ports",
	[FTPFIX_CONNECTION_NO_SOURCE_PORT] = "fullnat needs free ports at the source address; "
					     "name another with --source",
	[FTPFIX_CONNECTION_TABLE_FULL] = "compare ftpfix_flows with ftpfix_flows_max",
	[FTPFIX_PACKET_CUT] = "if it recurs, a smaller MSS toward the servers leaves room",
};

static bool is_given(const struct ftpfix_endpoint *endpoint)
{
	return endpoint->be_port || !address_is_none(&endpoint->addr);
}

/* Writes what stands before the endpoint, and the endpoint; nothing without one. */
static const char *phrase(const char *words, const struct ftpfix_endpoint *endpoint,
			  char text[PHRASE_MAX])
{
	char name[ENDPOINT_TEXT_MAX];

	if (!is_given(endpoint))
		text[0] = '\0';
	else
		snprintf(text, PHRASE_MAX, "%s%s", words,
			 endpoint_format(&endpoint->addr, endpoint->be_port, name));
	return text;
}

/* Who was to connect: the one that the announcement was for. A client's leaves the node on
 * the servers' side, a server's on the clients'. */
static const struct ftpfix_addr *missed_peer(const struct events *events,
					     const struct ftpfix_event *event)
{
	const struct ftpfix_tuple *session = &event->session.tuple;
	bool inside = event->session.side == FTPFIX_SIDE_INSIDE;
	bool from_client = inside != events->clients_inside;

	return from_client ? &session->destination : &session->source;
}

/* One line: whose session, what was announced, what its receiver was told
 * instead, what came of it, and the mend. */
static void print_event(const struct events *events, const struct ftpfix_event *event)
{
	char client[ENDPOINT_TEXT_MAX], service[ENDPOINT_TEXT_MAX], host[ENDPOINT_TEXT_MAX];
	char announced[PHRASE_MAX], published[PHRASE_MAX];
	const struct ftpfix_tuple *session = &event->session.tuple;
	const char *mend = mends[event->reason];

	endpoint_format(&session->source, session->be_source_port, client);
	endpoint_format(&session->destination, session->be_destination_port, service);
	if (event->reason == FTPFIX_CONNECTION_NOBODY_CAME) {
		log_line("session %s to %s:%s to %s, nobody came: is the port range open in the "
			 "firewall?",
			 client, service, phrase(" announced ", &event->published, published),
			 address_format(missed_peer(events, event), host));
		return;
	}
	log_line("session %s to %s:%s%s%s%s%s%s", client, service,
		 phrase(" announced ", &event->announced, announced),
		 phrase(", passed on as ", &event->published, published),
		 announced[0] || published[0] ? ": " : " ", reasons[event->reason].help,
		 mend ? "; " : "", mend ? mend : "");
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
	print_event(events, event);
	return 0;
}

static void ready(void *context, uint32_t ready_events)
{
	struct events *events = context;

	(void)ready_events;
	ring_buffer__consume(events->ring);
}

struct events *events_start(const struct loop *loop, int map, bool clients_inside)
{
	struct events *events;

	events = calloc(1, sizeof(*events));
	if (!events)
		return NULL;
	events->clients_inside = clients_inside;
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
