// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes questions from the sockets and sends answers, never waiting for anyone.
 * This file knows nothing of the questions.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meeting.h"
#include "request.h"

#define ASKERS_MAX 8
#define ASKER_SECONDS 30

struct asker {
	struct watch watch; /* fd -1: the place is free */
	struct control *control;
	char question[REQUEST_MAX];
	size_t asked;
	struct reply reply; /* without text until the question is complete */
	size_t sent;
	int seconds_left;
};

struct listener {
	struct watch watch;
	struct control *control;
};

struct control {
	const struct loop *loop;
	struct instance *instance;
	struct listener listener[2 * DEVICES_MAX];
	size_t listener_count;
	struct asker asker[ASKERS_MAX];
};

static void end_asker(struct asker *asker)
{
	close(asker->watch.fd);
	reply_end(&asker->reply);
	asker->watch.fd = -1;
}

static void send_answer(struct asker *asker)
{
	ssize_t length = send(asker->watch.fd, asker->reply.text + asker->sent,
			      asker->reply.length - asker->sent, MSG_NOSIGNAL);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length > 0)
		asker->sent += length;
	if (length > 0 && asker->sent < asker->reply.length)
		return;
	asker->sent = 0;
	asker->seconds_left = ASKER_SECONDS;
	if (length > 0)
		reply_next(&asker->reply);
	if (length <= 0 || !asker->reply.text)
		end_asker(asker);
}

static void take_question(struct asker *asker)
{
	size_t room = sizeof(asker->question) - asker->asked;
	ssize_t length = recv(asker->watch.fd, asker->question + asker->asked, room, 0);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0) {
		end_asker(asker);
		return;
	}
	asker->asked += length;
	if (asker->question[asker->asked - 1] != '\n') {
		if (asker->asked == sizeof(asker->question))
			end_asker(asker);
		return;
	}
	request_answer(asker->control->instance, asker->question, asker->asked, &asker->reply);
	asker->sent = 0;
	if (!asker->reply.text || loop_change(asker->control->loop, &asker->watch, EPOLLOUT))
		end_asker(asker);
}

static void asker_ready(void *context, uint32_t events)
{
	struct asker *asker = context;

	(void)events;
	if (asker->reply.text)
		send_answer(asker);
	else
		take_question(asker);
}

static struct asker *free_place(struct control *control)
{
	for (size_t i = 0; i < ASKERS_MAX; i++)
		if (control->asker[i].watch.fd < 0)
			return &control->asker[i];
	return NULL;
}

static void listener_ready(void *context, uint32_t events)
{
	struct listener *listener = context;
	struct control *control = listener->control;
	struct asker *asker = free_place(control);
	struct ucred peer;
	int fd;

	(void)events;
	fd = accept4(listener->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!asker || !meeting_trusts(fd, &peer)) {
		close(fd);
		return;
	}
	asker->watch = (struct watch){.fd = fd, .ready = asker_ready, .context = asker};
	asker->control = control;
	asker->asked = 0;
	asker->seconds_left = ASKER_SECONDS;
	if (loop_watch(control->loop, &asker->watch, EPOLLIN))
		end_asker(asker);
}

/* Someone else has the socket: says who, as far as that can be known. */
static void report_holder(const struct device *device)
{
	struct sockaddr_un address;
	socklen_t length = meeting_address(device->index, &address);
	struct ucred peer = {.pid = 0};
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, length))
		log_line("another ftpfix runs on %s; end it first", device->name);
	else if (meeting_trusts(fd, &peer))
		log_line("another ftpfix (pid %d) runs on %s; end it first, or name another "
			 "interface",
			 peer.pid, device->name);
	else
		log_line("pid %d of user %u holds the socket for %s, an ftpfix or not; end it "
			 "first",
			 peer.pid, peer.uid, device->name);
	if (fd >= 0)
		close(fd);
}

static int listen_on(struct control *control, const struct device *device)
{
	struct listener *listener = &control->listener[control->listener_count];
	struct sockaddr_un address;
	socklen_t length = meeting_address(device->index, &address);
	int fd, error;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 &&
	    listen(fd, ASKERS_MAX) == 0) {
		listener->watch =
			(struct watch){.fd = fd, .ready = listener_ready, .context = listener};
		listener->control = control;
		control->listener_count++;
		return loop_watch(control->loop, &listener->watch, EPOLLIN);
	}
	error = errno;
	if (error == EADDRINUSE)
		report_holder(device);
	else
		log_line("the control socket for %s cannot be opened: %s", device->name,
			 strerror(error));
	if (fd >= 0)
		close(fd);
	return -error;
}

static int listen_on_all(struct control *control, const struct config *config)
{
	int err = 0;

	for (size_t i = 0; !err && i < config->uplinks.count; i++)
		err = listen_on(control, &config->uplinks.device[i]);
	for (size_t i = 0; !err && i < config->server_side.count; i++) {
		const struct device *device = &config->server_side.device[i];

		/* A one-arm interface is on both lists. */
		if (!device_list_has(&config->uplinks, device->index))
			err = listen_on(control, device);
	}
	return err;
}

struct control *control_start(const struct loop *loop, struct instance *instance)
{
	struct control *control;

	control = calloc(1, sizeof(*control));
	if (!control)
		return NULL;
	control->loop = loop;
	control->instance = instance;
	for (size_t i = 0; i < ASKERS_MAX; i++)
		control->asker[i].watch.fd = -1;
	if (listen_on_all(control, &instance->config)) {
		control_stop(control);
		return NULL;
	}
	return control;
}

void control_second(struct control *control)
{
	for (size_t i = 0; i < ASKERS_MAX; i++)
		if (control->asker[i].watch.fd >= 0 && --control->asker[i].seconds_left <= 0)
			end_asker(&control->asker[i]);
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < ASKERS_MAX; i++)
		if (control->asker[i].watch.fd >= 0)
			end_asker(&control->asker[i]);
	for (size_t i = 0; i < control->listener_count; i++)
		close(control->listener[i].watch.fd);
	free(control);
}
