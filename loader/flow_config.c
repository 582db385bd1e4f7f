// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads and checks the settings of how flows are carried.
 * This file knows nothing of maps or of the kernel.
 */
#include "flow_config.h"

#include <stdio.h>
#include <string.h>

#include "config.h"

#define PORT_HIGHEST 65535

/* Of --max-sessions: what the smallest tables are good for, and what still fits 32 bits of
 * entries in the largest. */
#define SESSIONS_LOWEST 1024
#define SESSIONS_HIGHEST 4000000

#define WORDS(array) array, sizeof(array) / sizeof((array)[0])

static const char *const xdp_names[] = {
	[XDP_AUTO] = "auto",
	[XDP_NATIVE] = "native",
	[XDP_GENERIC] = "generic",
	[XDP_OFF] = "off",
};

static const char *const path_names[] = {"direct", "stack"};

static const char *const client_address_names[] = {
	[FTPFIX_CLIENT_ADDRESS_NONE] = "none",
	[FTPFIX_CLIENT_ADDRESS_TOA] = "toa",
	[FTPFIX_CLIENT_ADDRESS_PROXY_V1] = "proxy-v1",
	[FTPFIX_CLIENT_ADDRESS_PROXY_V2] = "proxy-v2",
};

static const char *const timeout_names[] = {
	[TIMEOUT_OPENING] = "opening",
	[TIMEOUT_ESTABLISHED] = "established",
	[TIMEOUT_CLOSING] = "closing",
	[TIMEOUT_CONTROL] = "control",
};

/* What opens or closes is bounded by TCP's own retransmissions. */
static const struct span timeout_spans[] = {
	[TIMEOUT_OPENING] = {1, 3600},
	[TIMEOUT_ESTABLISHED] = {1, 604800},
	[TIMEOUT_CLOSING] = {1, 3600},
	[TIMEOUT_CONTROL] = {1, 604800},
};

void flow_config_init(struct flow_config *flow)
{
	flow->sources.port_low = FTPFIX_PORT_MIN;
	flow->sources.port_high = PORT_HIGHEST;
	flow->sessions_max = FTPFIX_SESSIONS_MAX;
	flow->seconds[TIMEOUT_OPENING] = FTPFIX_FLOW_HALF_OPEN_NS / FTPFIX_SECOND_NS;
	flow->seconds[TIMEOUT_ESTABLISHED] = FTPFIX_FLOW_IDLE_NS / FTPFIX_SECOND_NS;
	flow->seconds[TIMEOUT_CLOSING] = FTPFIX_FLOW_CLOSING_NS / FTPFIX_SECOND_NS;
	flow->seconds[TIMEOUT_CONTROL] = FTPFIX_SESSION_IDLE_NS / FTPFIX_SECOND_NS;
	flow->toa_kind[FTPFIX_IPV4] = FTPFIX_TOA_KIND;
	flow->toa_kind[FTPFIX_IPV6] = FTPFIX_TOA_KIND;
}

const char *xdp_choice_name(enum xdp_choice choice)
{
	return xdp_names[choice];
}

const char *path_name(bool stack)
{
	return path_names[stack];
}

const char *client_address_name(enum ftpfix_client_address how)
{
	return client_address_names[how];
}

const char *timeout_name(enum timeout timeout)
{
	return timeout_names[timeout];
}

int flow_take_xdp(struct config *config, const char *text, struct problem *problem)
{
	return value_word("--xdp", text, WORDS(xdp_names), &config->flow.xdp, problem);
}

int flow_take_path(struct config *config, const char *text, struct problem *problem)
{
	unsigned int stack;
	int err;

	err = value_word("--path", text, WORDS(path_names), &stack, problem);
	if (err)
		return err;
	config->flow.path_stack = stack;
	config->flow.path_given = true;
	return 0;
}

/* Where the address in the text ends: at the ':' before a range of ports, or at the end
 * of the text. NULL if brackets do not close. */
static const char *address_end(const char *text)
{
	const char *colon = strchr(text, ':');
	const char *end;

	if (text[0] == '[') {
		end = strchr(text, ']');
		return end && (end[1] == ':' || end[1] == '\0') ? end + 1 : NULL;
	}
	/* More than one of them: an IPv6 address. */
	return colon && !strchr(colon + 1, ':') ? colon : text + strlen(text);
}

static int take_source_ports(struct source_pool *sources, const char *text, struct problem *problem)
{
	int err;

	if (sources->ports_given)
		return problem_set(problem,
				   "--source: '%s' is a second range of ports; give one, "
				   "after the last address",
				   text);
	err = value_port_range("--source", text, &sources->port_low, &sources->port_high, problem);
	sources->ports_given = !err;
	return err;
}

static int add_source(struct source_pool *sources, const struct ftpfix_addr *addr, const char *text,
		      struct problem *problem)
{
	enum ftpfix_family family = address_family(addr);

	for (size_t i = 0; i < sources->count[family]; i++)
		if (address_equal(&sources->addr[family][i], addr))
			return problem_set(problem, "--source: %s is named twice; name it once",
					   text);
	if (sources->count[family] == FTPFIX_SOURCES_MAX)
		return problem_set(problem, "--source: more than %d %s addresses; leave some out",
				   FTPFIX_SOURCES_MAX, family_name(family));
	sources->addr[family][sources->count[family]++] = *addr;
	return 0;
}

/* An IPv6 address that a range follows: the range would be taken for a part of it. */
static int check_brackets(const char *text, struct problem *problem)
{
	const char *last = strrchr(text, ':');

	if (text[0] == '[' || !last || !strchr(last, '-'))
		return 0;
	return problem_set(problem, "--source: '%s' has no brackets; write [%.*s]%s", text,
			   (int)(last - text), text, last);
}

int flow_take_source(struct config *config, const char *text, struct problem *problem)
{
	struct source_pool *sources = &config->flow.sources;
	const char *end = address_end(text), *start = text;
	char address[INET6_ADDRSTRLEN];
	struct ftpfix_addr addr;
	size_t length;
	int err;

	if (!end)
		return problem_set(problem,
				   "--source: '%s' has no address in its brackets; write "
				   "it like [2001:db8::5]:20000-29999",
				   text);
	if (*end == '\0') {
		err = check_brackets(text, problem);
		if (err)
			return err;
	}
	length = end - text;
	if (text[0] == '[') {
		start++;
		length -= 2;
	}
	snprintf(address, sizeof(address), "%.*s", (int)length, start);
	err = value_host("--source", length < sizeof(address) ? address : text, &addr, problem);
	if (!err)
		err = add_source(sources, &addr, address, problem);
	if (!err && *end == ':')
		err = take_source_ports(sources, end + 1, problem);
	return err;
}

int flow_take_max_sessions(struct config *config, const char *text, struct problem *problem)
{
	static const struct span allowed = {SESSIONS_LOWEST, SESSIONS_HIGHEST};

	return value_number("--max-sessions", text, &allowed, &config->flow.sessions_max, problem);
}

int flow_take_timeout(struct config *config, const char *text, struct problem *problem)
{
	const char *equals = strchr(text, '=');
	struct flow_config *flow = &config->flow;
	char word[16], name[sizeof("--timeout ") + sizeof(word)];
	unsigned int choice;
	int err;

	if (!equals || (size_t)(equals - text) >= sizeof(word))
		return problem_set(problem,
				   "--timeout: '%s' names no time; write it like established=7200",
				   text);
	snprintf(word, sizeof(word), "%.*s", (int)(equals - text), text);
	err = value_word("--timeout", word, WORDS(timeout_names), &choice, problem);
	if (err)
		return err;
	if (flow->seconds_given[choice])
		return problem_set(problem, "--timeout: %s is given twice; give it once", word);
	snprintf(name, sizeof(name), "--timeout %s", word);
	err = value_seconds(name, equals + 1, &timeout_spans[choice], &flow->seconds[choice],
			    problem);
	flow->seconds_given[choice] = !err;
	return err;
}

int flow_take_client_address(struct config *config, const char *text, struct problem *problem)
{
	return value_word("--client-address", text, WORDS(client_address_names),
			  &config->flow.client_address, problem);
}

/* Those below have a meaning to every TCP, and 255 is reserved. */
int flow_take_toa_kind(struct config *config, const char *text, struct problem *problem)
{
	static const struct span allowed = {35, 254};
	const char *comma = strchr(text, ',');
	unsigned int ipv4, ipv6;
	char first[16];
	int err;

	snprintf(first, sizeof(first), "%.*s", (int)(comma ? comma - text : (long)strlen(text)),
		 text);
	err = value_number("--toa-kind", first, &allowed, &ipv4, problem);
	ipv6 = ipv4;
	if (!err && comma)
		err = value_number("--toa-kind", comma + 1, &allowed, &ipv6, problem);
	config->flow.toa_kind[FTPFIX_IPV4] = ipv4;
	config->flow.toa_kind[FTPFIX_IPV6] = ipv6;
	config->flow.toa_kind_given = true;
	return err;
}

static int check_sources(const struct config *config, struct problem *problem)
{
	const struct source_pool *sources = &config->flow.sources;

	if (sources->count[FTPFIX_IPV4] == 0 && sources->count[FTPFIX_IPV6] == 0)
		return 0;
	if (config->forward != FTPFIX_FORWARD_FULLNAT)
		return problem_set(problem,
				   "--source: --forward %s keeps the client's address; leave "
				   "--source out, or say --forward fullnat",
				   forward_name(config->forward));
	return 0;
}

/* Both speak of flows, and XDP of those that pass the stack by. */
static int check_path(const struct config *config, struct problem *problem)
{
	const struct flow_config *flow = &config->flow;
	bool demanded = flow->xdp == XDP_NATIVE || flow->xdp == XDP_GENERIC;

	if (config->forward == FTPFIX_FORWARD_NONE && flow->path_given)
		return problem_set(problem, "--path: --forward none carries no connections; leave "
					    "one of the two out");
	if (config->forward == FTPFIX_FORWARD_NONE && demanded)
		return problem_set(problem,
				   "--xdp %s: --forward none carries no connections that XDP could "
				   "speed up; leave one of the two out",
				   xdp_choice_name(flow->xdp));
	if (flow->path_stack && demanded)
		return problem_set(problem,
				   "--xdp %s: --path stack leads every packet through the node's "
				   "stack, and XDP leads past it; leave one of the two out",
				   xdp_choice_name(flow->xdp));
	return 0;
}

static int check_client_address(const struct config *config, struct problem *problem)
{
	enum ftpfix_client_address how = config->flow.client_address;

	if (config->flow.toa_kind_given && how != FTPFIX_CLIENT_ADDRESS_TOA)
		return problem_set(problem,
				   "--toa-kind: --client-address %s sends no TOA option; say "
				   "--client-address toa, or leave --toa-kind out",
				   client_address_name(how));
	if (how == FTPFIX_CLIENT_ADDRESS_NONE)
		return 0;
	if (config->forward != FTPFIX_FORWARD_FULLNAT)
		return problem_set(problem,
				   "--client-address %s: --forward %s keeps the client's address, "
				   "which the server sees itself; leave --client-address out, or "
				   "say --forward fullnat",
				   client_address_name(how), forward_name(config->forward));
	if (how != FTPFIX_CLIENT_ADDRESS_TOA && config->virtual_count == 0)
		return problem_set(
			problem,
			"--client-address %s: the header stands at the start of the "
			"control connection, which something else forwards; name the "
			"virtual address with --vip, or let that program send the header",
			client_address_name(how));
	return 0;
}

int flow_config_check(const struct config *config, struct problem *problem)
{
	int err;

	err = check_sources(config, problem);
	if (!err)
		err = check_path(config, problem);
	if (!err)
		err = check_client_address(config, problem);
	return err;
}
