// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Checks one FTP server without waiting for it: connects, reads its greeting, says QUIT.
 * This file knows nothing of what follows from that.
 */
#include "health.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY "220"
#define READY_SOON "120"
#define CODE_LENGTH 3

/* Of so many ports in a row that sessions use, one is not free by chance. */
#define PORTS_TRIED 32

/* "Nobody's connection": what a health check says before its first byte to a server that
 * expects PROXY headers (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2). */
static const char proxy_v1[] = "PROXY UNKNOWN\r\n";
static const char proxy_v2[] = {'\r', '\n', '\r', '\n', 0,    '\r', '\n', 'Q',
				'U',  'I',  'T',  '\n', 0x20, 0,    0,	  0};

static void release(struct health *health)
{
	__be16 be_port = health->be_port;

	health->be_port = 0;
	if (be_port)
		health->release(health->context, be_port);
}

static void idle(struct health *health, unsigned int seconds)
{
	if (health->watch.fd >= 0)
		close(health->watch.fd);
	health->watch.fd = -1;
	release(health);
	health->phase = HEALTH_IDLE;
	health->seconds = seconds;
}

static void enter(struct health *health, enum health_phase phase)
{
	health->phase = phase;
	health->seconds = health->settings->timeout_seconds;
}

static void note(struct health *health, bool good)
{
	unsigned int needed = good ? health->settings->rise : health->settings->fall;

	if (!health->checked && !good)
		needed = 1;
	health->checked = true;
	health->row = good == health->up ? 0 : health->row + 1;
	if (health->row < needed || good == health->up)
		return;
	health->up = good;
	health->row = 0;
	health->changed(health->context);
}

static void bad(struct health *health, const char *why)
{
	/* As the middle of a sentence. */
	snprintf(health->reason, sizeof(health->reason), "%s", why);
	health->reason[0] = tolower((unsigned char)health->reason[0]);
	idle(health, health->settings->interval_seconds);
	note(health, false);
}

static void good(struct health *health)
{
	static const char quit[] = "QUIT\r\n";

	/* It is no matter if that fails: the server has shown what was asked. */
	send(health->watch.fd, quit, sizeof(quit) - 1, MSG_NOSIGNAL);
	enter(health, HEALTH_LEAVING);
	note(health, true);
}

/* What the server said instead of a greeting, with nothing that a terminal obeys. */
static void bad_line(struct health *health, const char *text, size_t length)
{
	char why[HEALTH_REASON_MAX], shown[48];
	size_t i;

	for (i = 0; i < length && i + 1 < sizeof(shown) && text[i] != '\r' && text[i] != '\n'; i++)
		shown[i] = isprint((unsigned char)text[i]) ? text[i] : '?';
	shown[i] = '\0';
	snprintf(why, sizeof(why), "answers '%s', not " READY, shown);
	bad(health, why);
}

/* Takes one more byte. 1 when the server is ready, -1 when this is no greeting, or 0. */
static int take_byte(struct greeting *greeting, char byte)
{
	bool soon;

	if (byte == '\n') {
		soon = memcmp(greeting->code, READY_SOON, CODE_LENGTH) == 0;
		if (!greeting->waiting && greeting->column < CODE_LENGTH)
			return -1;
		if (soon)
			greeting->waiting = greeting->code[CODE_LENGTH] == '-';
		*greeting = (struct greeting){.waiting = greeting->waiting};
		return 0;
	}
	if (greeting->column < sizeof(greeting->code))
		greeting->code[greeting->column++] = byte;
	if (greeting->column != CODE_LENGTH || greeting->waiting)
		return 0;
	if (memcmp(greeting->code, READY, CODE_LENGTH) == 0)
		return 1;
	return memcmp(greeting->code, READY_SOON, CODE_LENGTH) ? -1 : 0;
}

static void read_greeting(struct health *health)
{
	char piece[512];
	ssize_t length = recv(health->watch.fd, piece, sizeof(piece), 0);
	int result = 0;
	ssize_t line = 0;

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length < 0) {
		bad(health, strerror(errno));
		return;
	}
	if (length == 0) {
		bad(health, "closes the connection without a greeting");
		return;
	}
	for (ssize_t i = 0; !result && i < length; i++) {
		result = take_byte(&health->greeting, piece[i]);
		if (!result && piece[i] == '\n')
			line = i + 1;
	}
	if (result > 0)
		good(health);
	else if (result < 0)
		bad_line(health, piece + line, length - line);
}

static void drain(struct health *health)
{
	char piece[512];
	ssize_t length = recv(health->watch.fd, piece, sizeof(piece), 0);

	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		idle(health, health->settings->interval_seconds);
}

/* A new connection has room for it. 0 or an errno. */
static int send_header(const struct health *health)
{
	ssize_t sent = 0;

	if (health->client_address == FTPFIX_CLIENT_ADDRESS_PROXY_V1)
		sent = send(health->watch.fd, proxy_v1, sizeof(proxy_v1) - 1, MSG_NOSIGNAL);
	else if (health->client_address == FTPFIX_CLIENT_ADDRESS_PROXY_V2)
		sent = send(health->watch.fd, proxy_v2, sizeof(proxy_v2), MSG_NOSIGNAL);
	return sent < 0 ? errno : 0;
}

static void connected(struct health *health)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(health->watch.fd, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	if (!error)
		error = send_header(health);
	if (!error)
		error = -loop_change(health->loop, &health->watch, EPOLLIN);
	if (error) {
		bad(health, strerror(error));
		return;
	}
	health->greeting = (struct greeting){0};
	health->phase = HEALTH_READING;
}

static void ready(void *context, uint32_t events)
{
	struct health *health = context;

	(void)events;
	if (health->phase == HEALTH_CONNECTING)
		connected(health);
	else if (health->phase == HEALTH_READING)
		read_greeting(health);
	else
		drain(health);
}

union address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

static socklen_t make_address(const struct ftpfix_endpoint *endpoint, union address *address)
{
	*address = (union address){0};
	if (address_family(&endpoint->addr) == FTPFIX_IPV4) {
		address->ipv4.sin_family = AF_INET;
		address->ipv4.sin_port = endpoint->be_port;
		address->ipv4.sin_addr.s_addr = endpoint->addr.be_word[3];
		return sizeof(address->ipv4);
	}
	address->ipv6.sin6_family = AF_INET6;
	address->ipv6.sin6_port = endpoint->be_port;
	memcpy(&address->ipv6.sin6_addr, &endpoint->addr, sizeof(endpoint->addr));
	return sizeof(address->ipv6);
}

/* Opens a socket at any port of the node's address toward the server. The descriptor, or a
 * negative errno. */
static int open_at(const struct next_hop *hop, struct ftpfix_endpoint *local)
{
	union address address;
	socklen_t length;
	int fd, err;

	*local = (struct ftpfix_endpoint){.addr = hop->source};
	length = make_address(local, &address);
	/* Where the node has no other, its source is a link-local one. */
	if (address.any.sa_family == AF_INET6)
		address.ipv6.sin6_scope_id = hop->out_index;
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, &address.any, length) || getsockname(fd, &address.any, &length)) {
		err = -errno;
		close(fd);
		return err;
	}
	/* The port stands at one place in both. */
	local->be_port = address.ipv4.sin_port;
	return fd;
}

/* Opens a socket at a port from which no session is carried to the server, nor will be: the
 * answers to one that FULLNAT uses would go to its client. The descriptor, or a negative errno. */
static int open_free(struct health *health)
{
	struct ftpfix_endpoint local;
	int held[PORTS_TRIED], count = 0, fd;

	/* Each holds its port until another was found. */
	while ((fd = open_at(&health->hop, &local)) >= 0 &&
	       !health->reserve(health->context, &local)) {
		held[count++] = fd;
		fd = -EADDRINUSE;
		if (count == PORTS_TRIED)
			break;
	}
	while (count > 0)
		close(held[--count]);
	if (fd >= 0)
		health->be_port = local.be_port;
	return fd;
}

static int start_connecting(struct health *health)
{
	union address address;
	socklen_t length = make_address(&health->endpoint, &address);

	health->watch.fd = open_free(health);
	if (health->watch.fd < 0)
		return health->watch.fd;
	if (connect(health->watch.fd, &address.any, length) && errno != EINPROGRESS)
		return -errno;
	return loop_watch(health->loop, &health->watch, EPOLLOUT);
}

static void check(struct health *health)
{
	int err;

	enter(health, HEALTH_CONNECTING);
	err = start_connecting(health);
	if (err == -EADDRINUSE)
		idle(health, health->settings->interval_seconds);
	else if (err)
		bad(health, strerror(-err));
}

static void too_late(struct health *health)
{
	char why[HEALTH_REASON_MAX];

	if (health->phase == HEALTH_LEAVING) {
		idle(health, health->settings->interval_seconds);
		return;
	}
	snprintf(why, sizeof(why), "no %s within %u s",
		 health->phase == HEALTH_CONNECTING ? "connection" : "greeting",
		 health->settings->timeout_seconds);
	bad(health, why);
}

void health_begin(struct health *health)
{
	health->watch = (struct watch){.fd = -1, .ready = ready, .context = health};
	health->up = true;
	health->checked = false;
	health->row = 0;
	health->phase = HEALTH_IDLE;
	health->seconds = 0;
}

void health_second(struct health *health)
{
	if (health->settings->interval_seconds == 0)
		return;
	if (health->seconds > 0)
		health->seconds--;
	if (health->seconds > 0)
		return;
	if (health->phase == HEALTH_IDLE)
		check(health);
	else
		too_late(health);
}

void health_end(struct health *health)
{
	idle(health, 0);
}
