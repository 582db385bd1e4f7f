// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Many FTP sessions in one process, with the kernel's own TCP: a server that knows PASV
 * alone, and a client that asks it for one data connection after the other. Neither forks;
 * so that the node between them is kept busy, not the starting of processes.
 *
 *     ftp_load server
 *     ftp_load client ADDRESS SESSIONS MILLISECONDS
 *
 * The server says "ready" once it listens on port 21. The client opens its sessions, then
 * counts for so long, and tells how many data connections came to their end (announced,
 * opened, read to their end, and the 226 after it) and the nanoseconds that took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MAX 1024
#define EVENTS 128
#define FTP_PORT 21
/* Data ports of the server, one after the other. */
#define PORT_FIRST 20000
#define PORTS 40000
#define LINE_MAX 256
/* Without an event for so long something is lost. */
#define SILENCE_MS 5000
#define CONTENT "content of a small file\r\n"

/* Told apart by where the pointer of an event points. */
struct session {
	int control;
	int data; /* or the server's listener; -1: none */
	char line[LINE_MAX];
	size_t length;
	uint8_t missing; /* what the current transfer still needs */
	struct in_addr own;
};

enum { NEEDS_END = 1, NEEDS_REPLY = 2 };

struct watch {
	struct session *session;
	bool data;
};

static struct session sessions[SESSIONS_MAX];
static struct watch watches[SESSIONS_MAX][2];
static int events;
static uint64_t transfers;
static uint32_t announced;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("ftp_load: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void watch(struct session *session, int fd, bool data)
{
	struct watch *watched = &watches[session - sessions][data];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = watched};

	*watched = (struct watch){session, data};
	if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl: %s", strerror(errno));
}

static int new_socket(void)
{
	int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (made < 0)
		fail("socket: %s", strerror(errno));
	return made;
}

static int listen_on(struct in_addr address, uint16_t port, int backlog)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_addr = address, .sin_port = htons(port)};
	int made = new_socket(), on = 1;

	if (setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(made, (struct sockaddr *)&name, sizeof(name)) || listen(made, backlog))
		fail("port %u: %s", port, strerror(errno));
	return made;
}

static void say(const struct session *session, const char *text)
{
	ssize_t length = strlen(text);

	if (send(session->control, text, length, MSG_NOSIGNAL) != length)
		fail("the control connection takes no more: %s", strerror(errno));
}

static void close_data(struct session *session)
{
	close(session->data);
	session->data = -1;
}

/* --- the server --- */

static void server_line(struct session *session)
{
	uint16_t port = PORT_FIRST + announced++ % PORTS;
	unsigned char octet[4];
	char reply[LINE_MAX];

	if (strncmp(session->line, "PASV", 4)) {
		say(session, "502 PASV is all I know.\r\n");
		return;
	}
	if (session->data < 0) {
		session->data = listen_on(session->own, port, 1);
		watch(session, session->data, true);
	}
	memcpy(octet, &session->own, sizeof(octet));
	snprintf(reply, sizeof(reply), "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u).\r\n",
		 octet[0], octet[1], octet[2], octet[3], port >> 8, port & 0xff);
	say(session, reply);
}

static void server_data(struct session *session)
{
	int taken = accept4(session->data, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (taken < 0)
		return;
	close_data(session);
	if (send(taken, CONTENT, sizeof(CONTENT) - 1, MSG_NOSIGNAL) < 0)
		fail("the data connection takes nothing: %s", strerror(errno));
	close(taken);
	say(session, "226 Transfer complete.\r\n");
}

static void server_session(int listener)
{
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	int taken = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;

	if (taken < 0)
		return;
	for (size_t at = 0; at < SESSIONS_MAX; at++) {
		struct session *session = &sessions[at];

		if (session->control >= 0)
			continue;
		*session = (struct session){.control = taken, .data = -1};
		getsockname(taken, (struct sockaddr *)&own, &size);
		session->own = own.sin_addr;
		setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(session, taken, false);
		say(session, "220 ready\r\n");
		return;
	}
	close(taken);
}

/* --- the client --- */

static void client_dial(struct session *session)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	unsigned octet[6];

	if (sscanf(session->line, "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u)", &octet[0],
		   &octet[1], &octet[2], &octet[3], &octet[4], &octet[5]) != 6)
		fail("no 227: %s", session->line);
	name.sin_addr.s_addr = htonl(octet[0] << 24 | octet[1] << 16 | octet[2] << 8 | octet[3]);
	name.sin_port = htons(octet[4] << 8 | octet[5]);
	session->data = new_socket();
	if (connect(session->data, (struct sockaddr *)&name, sizeof(name)) && errno != EINPROGRESS)
		fail("connect: %s", strerror(errno));
	watch(session, session->data, true);
	session->missing = NEEDS_END | NEEDS_REPLY;
}

static void client_done(struct session *session, uint8_t what)
{
	session->missing &= ~what;
	if (session->missing)
		return;
	transfers++;
	say(session, "PASV\r\n");
}

static void client_line(struct session *session)
{
	if (!strncmp(session->line, "220", 3))
		say(session, "PASV\r\n");
	else if (!strncmp(session->line, "227", 3))
		client_dial(session);
	else if (!strncmp(session->line, "226", 3))
		client_done(session, NEEDS_REPLY);
	else
		fail("what is '%s'?", session->line);
}

static void client_data(struct session *session)
{
	char content[4096];
	ssize_t length = recv(session->data, content, sizeof(content), 0);

	if (length < 0 && errno == EAGAIN)
		return;
	if (length < 0)
		fail("a data connection: %s", strerror(errno));
	if (length > 0)
		return;
	close_data(session);
	client_done(session, NEEDS_END);
}

static void client_open(const char *address, int count)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(FTP_PORT)};
	int on = 1;

	if (inet_pton(AF_INET, address, &name.sin_addr) != 1)
		fail("%s is no IPv4 address", address);
	for (int at = 0; at < count; at++) {
		struct session *session = &sessions[at];

		*session = (struct session){.control = new_socket(), .data = -1};
		if (connect(session->control, (struct sockaddr *)&name, sizeof(name)) &&
		    errno != EINPROGRESS)
			fail("connect to %s: %s", address, strerror(errno));
		setsockopt(session->control, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(session, session->control, false);
	}
}

/* --- both --- */

/* Reads what has come and hands on each line. Returns whether the session goes on. */
static bool read_lines(struct session *session, void (*line)(struct session *session))
{
	ssize_t more = recv(session->control, session->line + session->length,
			    sizeof(session->line) - 1 - session->length, 0);
	char *end;

	if (more < 0 && errno == EAGAIN)
		return true;
	if (more <= 0)
		return false;
	session->length += more;
	session->line[session->length] = 0;
	while ((end = strchr(session->line, '\n'))) {
		*end = 0;
		line(session);
		session->length -= end + 1 - session->line;
		memmove(session->line, end + 1, session->length + 1);
	}
	return session->length < sizeof(session->line) - 1;
}

static void end_session(struct session *session)
{
	close(session->control);
	if (session->data >= 0)
		close_data(session);
	session->control = -1;
}

static void serve(void)
{
	static const struct in_addr any;
	int listener = listen_on(any, FTP_PORT, SESSIONS_MAX);
	struct epoll_event event = {.events = EPOLLIN}, ready[EVENTS];

	for (size_t at = 0; at < SESSIONS_MAX; at++)
		sessions[at].control = -1;
	if (epoll_ctl(events, EPOLL_CTL_ADD, listener, &event))
		fail("epoll_ctl: %s", strerror(errno));
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(events, ready, EVENTS, -1);

		for (int at = 0; at < count; at++) {
			const struct watch *watched = ready[at].data.ptr;

			if (!watched)
				server_session(listener);
			else if (watched->data && watched->session->data >= 0)
				server_data(watched->session);
			else if (!watched->data && !read_lines(watched->session, server_line))
				end_session(watched->session);
		}
	}
}

/* Handles events for so long; returns how long it really was. */
static uint64_t client_run(uint64_t nanoseconds)
{
	uint64_t begun = now_ns(), now = begun;
	struct epoll_event ready[EVENTS];

	for (; now - begun < nanoseconds; now = now_ns()) {
		int count = epoll_wait(events, ready, EVENTS, SILENCE_MS);

		if (!count)
			fail("nothing came for %d ms, after %llu transfers", SILENCE_MS,
			     (unsigned long long)transfers);
		for (int at = 0; at < count; at++) {
			const struct watch *watched = ready[at].data.ptr;

			if (watched->data)
				client_data(watched->session);
			else if (!read_lines(watched->session, client_line))
				fail("a control connection ended: %s", strerror(errno));
		}
	}
	return now - begun;
}

int main(int argc, char **argv)
{
	uint64_t nanoseconds;
	int count;

	events = epoll_create1(EPOLL_CLOEXEC);
	if (argc == 2 && !strcmp(argv[1], "server"))
		serve();
	if (argc != 5 || strcmp(argv[1], "client"))
		fail("called by connections.py");
	count = atoi(argv[3]);
	if (count < 1 || count > SESSIONS_MAX)
		fail("%d sessions: not within 1 and %d", count, SESSIONS_MAX);
	client_open(argv[2], count);
	/* Until all sessions are open, and caches are warm. */
	client_run(200000000);
	transfers = 0;
	nanoseconds = client_run(atoi(argv[4]) * 1000000ULL);
	printf("%llu %llu\n", (unsigned long long)transfers, (unsigned long long)nanoseconds);
	return 0;
}
