// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Finds the running instance by its sockets and asks it one question.
 * This file knows nothing of what is asked.
 */
#include "client.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "interface.h"
#include "log.h"
#include "meeting.h"

#define SILENCE_SECONDS 10
#define INSTANCES_MAX 64

/* An instance has a socket for each interface. It has places for a few askers only, and those
 * who found it by its other sockets may hold them for a moment: the first one asks. */
struct instance_found {
	pid_t pid;
	int fd;
	char names[256]; /* of its interfaces */
};

struct search {
	struct instance_found found[INSTANCES_MAX];
	size_t count;
	struct ucred stranger; /* who holds such a socket, too; pid 0: nobody */
	unsigned int index;    /* of its interface */
};

/* Connects to the socket of an interface. The descriptor or a negative errno;
 * -EPERM where a stranger holds the socket. */
static int connect_to(unsigned int index, struct ucred *peer)
{
	const struct timeval silence = {.tv_sec = SILENCE_SECONDS};
	struct sockaddr_un address;
	socklen_t length = meeting_address(index, &address);
	int fd, err;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence)) ||
	    connect(fd, (struct sockaddr *)&address, length))
		err = -errno;
	else
		err = meeting_trusts(fd, peer) ? fd : -EPERM;
	if (err < 0)
		close(fd);
	return err;
}

/* Takes the connection over. */
static void note(struct search *search, unsigned int index, pid_t pid, int fd)
{
	struct instance_found *found = search->found;
	char name[IF_NAMESIZE];
	size_t used;

	while (found < search->found + search->count && found->pid != pid)
		found++;
	if (found < search->found + search->count || found == search->found + INSTANCES_MAX)
		close(fd);
	if (found == search->found + INSTANCES_MAX)
		return;
	if (found == search->found + search->count) {
		*found = (struct instance_found){.pid = pid, .fd = fd};
		search->count++;
	}
	used = strlen(found->names);
	snprintf(found->names + used, sizeof(found->names) - used, "%s%s", used ? "," : "",
		 interface_name(index, name));
}

/* The kernel lists the sockets of our network namespace; a zero byte in a name
 * is shown as '@'. Several lines bear one name: those of connections too. */
static int find_instances(struct search *search)
{
	char *line = NULL, *name;
	unsigned int index, last = 0;
	size_t room = 0;
	struct ucred peer;
	FILE *list;
	int fd;

	list = fopen("/proc/self/net/unix", "re");
	if (!list) {
		log_line("/proc/self/net/unix cannot be read: %s; is /proc mounted?",
			 strerror(errno));
		return -EIO;
	}
	while (getline(&line, &room, list) >= 0) {
		unsigned long flags;

		/* Num RefCount Protocol Flags Type St Inode Path; 0x10000 is
		 * the flag of a socket that listens. */
		name = strstr(line, " @" MEETING_PREFIX);
		if (!name || sscanf(line, "%*s %*s %*s %lx", &flags) != 1 || !(flags & 0x10000) ||
		    sscanf(name, " @" MEETING_PREFIX "%u", &index) != 1 || index == last)
			continue;
		last = index;
		fd = connect_to(index, &peer);
		if (fd == -EPERM) {
			search->stranger = peer;
			search->index = index;
		}
		if (fd < 0)
			continue;
		note(search, index, peer.pid, fd);
	}
	free(line);
	fclose(list);
	return 0;
}

/* Any user may take the name of such a socket, and an ftpfix may be any user's. */
static void report_stranger(unsigned int index, const struct ucred *peer)
{
	char name[IF_NAMESIZE];

	log_line("pid %d of user %u holds the socket for %s, and may be no ftpfix; if it is one, "
		 "ask it as that user (sudo -u '#%u')",
		 peer->pid, peer->uid, interface_name(index, name), peer->uid);
}

/* Prints why there is not one instance alone. */
static void report_search(const struct search *search)
{
	if (search->count == 0 && search->stranger.pid) {
		report_stranger(search->index, &search->stranger);
		return;
	}
	if (search->count == 0) {
		log_line("no ftpfix runs in this network namespace; start one with ftpfix run "
			 "--dev IFACE");
		return;
	}
	log_line("%zu instances run; choose one with --dev IFACE:", search->count);
	for (size_t i = 0; i < search->count; i++)
		log_line("  pid %d on %s", search->found[i].pid, search->found[i].names);
}

/* Connects to the only instance; a descriptor, or -1 after printing why not. */
static int open_only(pid_t *pid)
{
	struct search search = {0};

	if (find_instances(&search))
		return -1;
	*pid = search.found[0].pid;
	if (search.count == 1)
		return search.found[0].fd;
	report_search(&search);
	while (search.count > 0)
		close(search.found[--search.count].fd);
	return -1;
}

static int send_request(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t sent = send(fd, text, length, MSG_NOSIGNAL);

		if (sent < 0)
			return -errno;
		text += sent;
		length -= sent;
	}
	return 0;
}

/* Reads to the end of the connection; NULL and errno if that fails. */
static char *read_answer(int fd, size_t *length)
{
	char *text = NULL, *grown;
	size_t room = 0;
	ssize_t got;

	*length = 0;
	do {
		if (*length == room) {
			room = room ? 2 * room : 65536;
			grown = realloc(text, room);
			if (!grown)
				goto out;
			text = grown;
		}
		got = recv(fd, text + *length, room - *length, 0);
		if (got < 0)
			goto out;
		*length += got;
	} while (got > 0);
	return text;
out:
	free(text);
	return NULL;
}

static const char *failure(int error)
{
	if (error == EAGAIN)
		return "it does not answer";
	/* An instance closes the connection of those whom it does not trust, and
	 * of everyone while it has no place left. */
	if (error == EPIPE || error == ECONNRESET)
		return geteuid() ? "only root may ask it; use sudo" : "it is busy; try again";
	return strerror(error);
}

/* The text of the answer, for free(); NULL after printing why there is none. */
static char *exchange(int fd, pid_t pid, const char *request, size_t *length)
{
	char *text = NULL;
	int err;

	err = send_request(fd, request);
	if (!err && !(text = read_answer(fd, length)))
		err = -errno;
	else if (!err && *length == 0)
		err = -EPIPE;
	if (!err)
		return text;
	log_line("ftpfix (pid %d) cannot be asked: %s", pid, failure(-err));
	free(text);
	return NULL;
}

/* The same, on this interface. */
static int open_on(const char *device, pid_t *pid)
{
	unsigned int index = if_nametoindex(device);
	struct ucred peer = {0};
	char name[IF_NAMESIZE];
	int fd;

	if (!index) {
		log_line("--dev %s: no such interface; \"ip link\" lists those that exist", device);
		return -1;
	}
	fd = connect_to(index, &peer);
	*pid = peer.pid;
	if (fd >= 0)
		return fd;
	if (fd == -ECONNREFUSED)
		log_line("no ftpfix runs on %s; start one with ftpfix run --dev %s",
			 interface_name(index, name), name);
	else if (fd == -EPERM)
		report_stranger(index, &peer);
	else
		log_line("the ftpfix on %s cannot be asked: %s", interface_name(index, name),
			 failure(-fd));
	return -1;
}

/* The same, of the instance on the interface, or of the only one. Takes the request over. */
static char *ask(const char *device, json_t *request, pid_t *pid, size_t *length)
{
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL, *answer = NULL;
	int fd;

	fd = device ? open_on(device, pid) : open_only(pid);
	if (fd < 0)
		goto out;
	if (!text || asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
		log_line("the request cannot be written: are its words UTF-8?");
		goto out;
	}
	answer = exchange(fd, *pid, line, length);
out:
	free(line);
	free(text);
	json_decref(request);
	if (fd >= 0)
		close(fd);
	return answer;
}

static void say_unreadable(pid_t pid)
{
	log_line("ftpfix (pid %d) answered what cannot be read; is it of another version?", pid);
}

/* Takes the object over. It is returned unless it says what went wrong, or is none. */
static json_t *check_object(json_t *object, pid_t pid)
{
	const char *error = json_string_value(json_object_get(object, "error"));

	if (json_is_object(object) && !error)
		return object;
	if (error)
		log_line("%s", error);
	else
		say_unreadable(pid);
	json_decref(object);
	return NULL;
}

json_t *client_ask(const char *device, json_t *request)
{
	json_t *answer = NULL;
	size_t length;
	char *text;
	pid_t pid;

	text = ask(device, request, &pid, &length);
	if (text)
		answer = check_object(json_loadb(text, length, 0, NULL), pid);
	free(text);
	return answer;
}

/* Calls `each` for the entry of the line. False where it has none: then it is the object. */
static bool take_entry(const json_t *line, client_entry each, void *context, int *result)
{
	const char *section = json_string_value(json_array_get(line, 0));
	json_t *entry = json_array_get(line, 1);

	if (!section || !entry)
		return false;
	*result = each(section, entry, context);
	return true;
}

static int take_lines(const char *text, size_t length, pid_t pid, client_entry each, void *context)
{
	const char *end = text + length, *line_end;
	json_t *line, *object = NULL;
	bool complete;
	int result = 0;

	for (; text < end && !result && !object; text = line_end + 1) {
		line_end = memchr(text, '\n', end - text);
		line_end = line_end ? line_end : end;
		line = json_loadb(text, line_end - text, 0, NULL);
		if (take_entry(line, each, context, &result))
			json_decref(line);
		else if (!(object = check_object(line, pid)))
			return -EIO;
	}
	if (result)
		return result;
	complete = json_is_true(json_object_get(object, "complete"));
	if (!object)
		log_line("ftpfix (pid %d) ended before its answer", pid);
	else if (!complete)
		say_unreadable(pid);
	json_decref(object);
	return complete ? 0 : -EIO;
}

int client_each(const char *device, json_t *request, client_entry each, void *context)
{
	int err = -EIO;
	size_t length;
	char *text;
	pid_t pid;

	text = ask(device, request, &pid, &length);
	if (text)
		err = take_lines(text, length, pid, each, context);
	free(text);
	return err;
}
