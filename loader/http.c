// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Serves the metrics over HTTP, within the loop.
 * This file knows nothing of what the metrics say.
 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics.h"

#define PATH "/metrics"
#define CONNECTIONS_MAX 32
#define SILENCE_SECONDS 10

struct http {
	const struct instance *instance;
	struct MHD_Daemon *daemon;
	struct watch watch;
	int socket;
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int status, char *text,
			       enum MHD_ResponseMemoryMode mode, const char *header,
			       const char *value)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(strlen(text), text, mode);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, header, value);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	static char use_get[] = "use GET or HEAD\n";
	static char not_here[] = "nothing here; the metrics are at " PATH "\n";
	static char no_metrics[] = "the metrics cannot be read; see the log\n";
	const struct http *http = context;
	char *text;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, use_get,
			       MHD_RESPMEM_PERSISTENT, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (strcmp(path, PATH))
		return respond(connection, MHD_HTTP_NOT_FOUND, not_here, MHD_RESPMEM_PERSISTENT,
			       MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	text = metrics_text(http->instance);
	if (!text)
		return respond(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, no_metrics,
			       MHD_RESPMEM_PERSISTENT, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	return respond(connection, MHD_HTTP_OK, text, MHD_RESPMEM_MUST_FREE,
		       MHD_HTTP_HEADER_CONTENT_TYPE, METRICS_CONTENT_TYPE);
}

static const char *mend(int error)
{
	if (error == EADDRINUSE)
		return "name another port";
	if (error == EADDRNOTAVAIL)
		return "no interface that is up has this address";
	return "name another address or port";
}

static int bind_socket(int fd, const struct ftpfix_endpoint *endpoint)
{
	const struct sockaddr_in ipv4 = {.sin_family = AF_INET,
					 .sin_port = endpoint->be_port,
					 .sin_addr.s_addr = endpoint->addr.be_word[3]};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = endpoint->be_port};
	/* :: is every address of both families, whatever the node's default is. */
	int alone = !address_is_none(&endpoint->addr);

	if (address_family(&endpoint->addr) == FTPFIX_IPV4)
		return bind(fd, (const struct sockaddr *)&ipv4, sizeof(ipv4));
	memcpy(&ipv6.sin6_addr, &endpoint->addr, sizeof(ipv6.sin6_addr));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof(alone)))
		return -1;
	return bind(fd, (const struct sockaddr *)&ipv6, sizeof(ipv6));
}

/* Opened here and not by the library, which does not say why it failed. */
static int open_socket(const struct ftpfix_endpoint *endpoint)
{
	bool ipv4 = address_family(&endpoint->addr) == FTPFIX_IPV4;
	char text[ENDPOINT_TEXT_MAX];
	int fd, error, one = 1;

	fd = socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind_socket(fd, endpoint) == 0 && listen(fd, CONNECTIONS_MAX) == 0)
		return fd;
	error = errno;
	log_line("--listen %s: cannot listen there: %s; %s",
		 endpoint_format(&endpoint->addr, endpoint->be_port, text), strerror(error),
		 mend(error));
	if (fd >= 0)
		close(fd);
	return -error;
}

static void ready(void *context, uint32_t events)
{
	(void)events;
	http_work(context);
}

struct http *http_start(const struct loop *loop, const struct instance *instance)
{
	const union MHD_DaemonInfo *info;
	struct http *http;

	http = calloc(1, sizeof(*http));
	if (!http)
		return NULL;
	http->instance = instance;
	http->socket = open_socket(&instance->config.listen);
	if (http->socket < 0)
		goto out;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, answer, http, MHD_OPTION_LISTEN_SOCKET, http->socket,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		SILENCE_SECONDS, MHD_OPTION_END);
	if (!http->daemon) {
		log_line("the HTTP server for " PATH " cannot be started: %s", strerror(errno));
		goto out;
	}
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	http->watch = (struct watch){.fd = info->epoll_fd, .ready = ready, .context = http};
	if (loop_watch(loop, &http->watch, EPOLLIN))
		goto out;
	return http;
out:
	http_stop(http);
	return NULL;
}

int http_timeout(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG milliseconds;

	if (MHD_get_timeout(http->daemon, &milliseconds) != MHD_YES)
		return -1;
	return milliseconds > SILENCE_SECONDS * 1000 ? SILENCE_SECONDS * 1000 : milliseconds;
}

void http_work(struct http *http)
{
	MHD_run(http->daemon);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	/* The library closes the socket that it was given. */
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	else if (http->socket >= 0)
		close(http->socket);
	free(http);
}
