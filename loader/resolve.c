// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the resolver of the C library, in processes of their own.
 * This file knows nothing of what the addresses are used for.
 */
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privilege.h"

static const int families[FTPFIX_FAMILIES] = {[FTPFIX_IPV4] = AF_INET, [FTPFIX_IPV6] = AF_INET6};

static struct ftpfix_addr address_of(const struct addrinfo *info)
{
	if (info->ai_family == AF_INET)
		return address_from_bytes(AF_INET,
					  &((const struct sockaddr_in *)info->ai_addr)->sin_addr);
	return address_from_bytes(AF_INET6,
				  &((const struct sockaddr_in6 *)info->ai_addr)->sin6_addr);
}

/* The first that others can reach, or the one that was chosen before. */
static struct ftpfix_addr choose(const struct addrinfo *list, const struct ftpfix_addr *current)
{
	struct ftpfix_addr chosen = {0};

	for (; list; list = list->ai_next) {
		struct ftpfix_addr addr = address_of(list);

		if (address_unreachable(&addr))
			continue;
		if (address_equal(&addr, current))
			return addr;
		if (address_is_none(&chosen))
			chosen = addr;
	}
	return chosen;
}

/* Whether the error says that there is no such address, and not that nobody knows. */
static bool has_none(int error)
{
	return error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY;
}

static void look_up(const char *host, const struct ftpfix_addr current[FTPFIX_FAMILIES],
		    struct answer *answer)
{
	bool found = false;

	for (int family = 0; family < FTPFIX_FAMILIES; family++) {
		const struct addrinfo hints = {.ai_family = families[family],
					       .ai_socktype = SOCK_STREAM};
		struct addrinfo *list = NULL;
		int error = getaddrinfo(host, NULL, &hints, &list);

		if (!error)
			answer->addr[family] = choose(list, &current[family]);
		if (list)
			freeaddrinfo(list);
		answer->known[family] = !error || has_none(error);
		found |= !address_is_none(&answer->addr[family]);
		/* That nobody knows says more than that one family has none. */
		if (!answer->error || !has_none(error))
			answer->error = error;
	}
	if (found)
		answer->error = 0;
	else if (!answer->error)
		answer->error = EAI_NODATA;
}

/* What the process does: it keeps one descriptor beside the standard ones. */
static void be_resolver(int pipe, pid_t parent, const char *host,
			const struct ftpfix_addr current[FTPFIX_FAMILIES])
{
	struct answer answer = {0};
	int kept = dup2(pipe, STDERR_FILENO + 1);

	if (kept < 0 || close_range(kept + 1, ~0U, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    getppid() != parent || privilege_drop_all())
		_exit(1);
	look_up(host, current, &answer);
	_exit(write(kept, &answer, sizeof(answer)) != sizeof(answer));
}

static void ready(void *context, uint32_t events)
{
	struct query *query = context;
	struct answer answer;

	(void)events;
	/* Less than a pipe writes at once: all of it is there, or the process ended. */
	if (read(query->watch.fd, &answer, sizeof(answer)) != sizeof(answer))
		answer = (struct answer){.error = EAI_AGAIN};
	resolve_end(query);
	query->done(query->context, &answer);
}

int resolve_start(struct query *query, const char *host,
		  const struct ftpfix_addr current[FTPFIX_FAMILIES])
{
	pid_t parent = getpid();
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	query->process = fork();
	if (query->process == 0)
		be_resolver(ends[1], parent, host, current);
	err = query->process < 0 ? -errno : 0;
	close(ends[1]);
	query->watch = (struct watch){.fd = ends[0], .ready = ready, .context = query};
	if (!err)
		err = loop_watch(query->loop, &query->watch, EPOLLIN);
	if (err && query->process > 0)
		resolve_end(query);
	else if (err)
		close(ends[0]);
	if (err)
		query->process = 0;
	return err;
}

void resolve_end(struct query *query)
{
	if (!query->process)
		return;
	close(query->watch.fd);
	kill(query->process, SIGKILL);
	while (waitpid(query->process, NULL, 0) < 0 && errno == EINTR)
		;
	query->process = 0;
}
