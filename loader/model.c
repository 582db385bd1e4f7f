// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the maps into what `show` shows, piece by piece.
 * This file knows nothing of tables or sockets.
 */
#include "model.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_balancer.h"
#include "interface.h"
#include "maps.h"
#include "reason.h"

/* Entries of a table that are read at once. It takes some ten milliseconds, in which nothing
 * else is done. */
#define PIECE 1024

/* Where a section's entries go to, how far it was read, and what they are seen from. */
struct section {
	const char *name;
	FILE *out;
	unsigned int written; /* entries of this piece */
	struct map_place place;
	__u32 slot;
	const struct dataplane *dataplane;
	__u64 now_ns;
	bool clients_inside;
	const struct config *config;
	const struct balancer *balancer;
};

struct model {
	const struct instance *instance;
	int only; /* number of the section that is read; -1: all are */
	int number;
	struct section section;
};

/* Of one server; they say nothing where sessions do not go by the client's address. */
struct shares {
	json_t *object;
	bool hashed;
};

static __u64 monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * FTPFIX_SECOND_NS + now.tv_nsec;
}

/* How many seconds that is, of a difference of FTPFIX_TICK_SHIFT's times. Entries are written
 * while they are read: what is past may lie after our time. */
static json_int_t ticks_seconds(__s32 ticks)
{
	return ticks > 0 ? ((__u64)ticks << FTPFIX_TICK_SHIFT) / FTPFIX_SECOND_NS : 0;
}

static json_int_t seconds_since(const struct section *section, __u32 ticks)
{
	return ticks_seconds((__u32)(section->now_ns >> FTPFIX_TICK_SHIFT) - ticks);
}

static json_int_t seconds_until(const struct section *section, __u32 ticks)
{
	return ticks_seconds(ticks - (__u32)(section->now_ns >> FTPFIX_TICK_SHIFT));
}

static json_t *address(const struct ftpfix_addr *addr)
{
	char text[ENDPOINT_TEXT_MAX];

	return address_is_none(addr) ? json_null() : json_string(address_format(addr, text));
}

static json_t *endpoint(const struct ftpfix_addr *addr, __be16 be_port)
{
	char text[ENDPOINT_TEXT_MAX];

	return json_string(endpoint_format(addr, be_port, text));
}

/* The same of what is expected at each port that servers announce within TLS. */
static json_t *expected_endpoint(const struct section *section, const struct ftpfix_addr *addr,
				 __be16 be_port, bool unread)
{
	const struct config *config = section->config;
	char text[ENDPOINT_TEXT_MAX];

	if (!unread)
		return endpoint(addr, be_port);
	return json_sprintf("%s-%u", endpoint_format(addr, htons(config->tls_port_low), text),
			    config->tls_port_high);
}

static json_t *interface(unsigned int index)
{
	char name[IF_NAMESIZE];

	json_t *text;

	if (!index)
		return json_null();
	/* A name of other than UTF-8 is no JSON string. */
	text = json_string(interface_name(index, name));
	return text ? text : json_sprintf("#%u", index);
}

static json_t *devices(const struct device_list *list)
{
	json_t *names = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(names, interface(list->device[i].index));
	return names;
}

static json_t *servers(const struct config *config)
{
	json_t *prefixes = json_array();
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < config->server_count; i++)
		json_array_append_new(prefixes,
				      json_string(prefix_format(&config->server[i].prefix, text)));
	return prefixes;
}

/* Where none was given, the control connection tells. */
static json_t *sources(const struct source_pool *pool)
{
	json_t *given = json_array();

	for (int family = 0; family < FTPFIX_FAMILIES; family++)
		for (size_t i = 0; i < pool->count[family]; i++)
			json_array_append_new(given, address(&pool->addr[family][i]));
	return given;
}

static json_t *timeouts(const struct flow_config *flow)
{
	json_t *seconds = json_object();

	for (enum timeout i = 0; i < TIMEOUTS; i++)
		json_object_set_new(seconds, timeout_name(i), json_integer(flow->seconds[i]));
	return seconds;
}

/* How connections are carried, beside what --forward says. */
static json_t *carried(const struct flow_config *flow)
{
	return json_pack("{s:o, s:i, s:i, s:s, s:s, s:i, s:o}", "source", sources(&flow->sources),
			 "source_port_low", flow->sources.port_low, "source_port_high",
			 flow->sources.port_high, "path", path_name(flow->path_stack),
			 "client_address", client_address_name(flow->client_address),
			 "max_sessions", flow->sessions_max, "timeouts", timeouts(flow));
}

static json_t *allowed(const struct config *config)
{
	json_t *names = json_array();

	for (size_t i = 0; i < ALLOWANCES; i++)
		if (config->allowed & allowances[i].bit)
			json_array_append_new(names, json_string(allowances[i].name));
	if (config->allowed & FTPFIX_ALLOW_FXP)
		json_array_append_new(names, json_string("fxp"));
	return names;
}

/* The rules as they were given. */
static json_t *advertise_rules(const struct advertise *advertise)
{
	json_t *texts = json_array();
	char text[ADVERTISE_TEXT_MAX];

	for (size_t i = 0; i < advertise->count; i++)
		json_array_append_new(texts,
				      json_string(advertise_format(&advertise->rule[i], text)));
	if (advertise->count == 0)
		json_array_append_new(texts, json_string("dialled"));
	return texts;
}

/* Whom they are for and what they say at present; null is what was dialled. */
static json_t *advertise_map(const struct advertise *advertise)
{
	json_t *map = json_object();
	char text[PREFIX_TEXT_MAX];
	struct prefix net;

	for (size_t i = 0; i < advertise->count * FTPFIX_FAMILIES; i++) {
		const struct advertise_rule *rule = &advertise->rule[i / FTPFIX_FAMILIES];
		enum ftpfix_family family = i % FTPFIX_FAMILIES;

		if (advertise_net(rule, family, &net))
			json_object_set_new(map, prefix_format(&net, text),
					    address(&rule->addr[family]));
	}
	return map;
}

static int append(struct section *section, json_t *entry)
{
	int err;

	if (!entry)
		return -ENOMEM;
	fprintf(section->out, "[\"%s\",", section->name);
	err = json_dumpf(entry, section->out, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputs("]\n", section->out);
	json_decref(entry);
	section->written++;
	return err ? -ENOMEM : 0;
}

/* Of a table that may be large: 1 where the piece ends. */
static int append_some(struct section *section, json_t *entry)
{
	int err = append(section, entry);

	return err ? err : section->written == PIECE;
}

static json_t *tls_ports(const struct config *config)
{
	if (!config->tls_port_low)
		return json_null();
	return json_sprintf("%u-%u", config->tls_port_low, config->tls_port_high);
}

static json_t *service(const struct instance *instance, unsigned int port)
{
	const struct config *config = &instance->config;

	json_t *entry = json_pack(
		"{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:i, s:o, s:i, s:o, s:o, s:o, s:b, s:s}",
		"port", port, "clients", clients_name(config->clients_inside), "forward",
		forward_name(config->forward), "rewrite", rewrite_name(config->rewrite), "allowed",
		allowed(config), "advertise", advertise_rules(&config->advertise), "advertise_map",
		advertise_map(&config->advertise), "data_port_low", config->port_low,
		"data_port_high", config->port_high, "tls_data_ports", tls_ports(config),
		"expect_seconds", config->expect_seconds, "devices", devices(&config->uplinks),
		"server_devices", devices(&config->server_side), "servers", servers(config),
		"servers_named", config->servers_named, "attached_by",
		attach_name(instance->attachments.how));

	json_object_update_new(entry, carried(&config->flow));
	return entry;
}

static json_t *virtuals(const struct config *config)
{
	json_t *endpoints = json_array();

	for (size_t i = 0; i < config->virtual_count; i++)
		json_array_append_new(
			endpoints, endpoint(&config->virtual[i].addr, config->virtual[i].be_port));
	return endpoints;
}

static json_t *balanced_service(const struct instance *instance, unsigned int port)
{
	const struct config *config = &instance->config;
	json_t *entry = service(instance, port);

	json_object_set_new(entry, "virtuals", virtuals(config));
	json_object_set_new(entry, "balance",
			    config->virtual_count > 0 ? json_string(balance_name(config->balance))
						      : json_null());
	return entry;
}

static int read_services(struct section *section, const struct instance *instance)
{
	const struct config *config = &instance->config;
	int err = 0;

	for (size_t i = 0; !err && i < config->port_count; i++)
		err = append(section, balanced_service(instance, config->port[i]));
	return err;
}

static const char *side_name(__u32 side)
{
	return side == FTPFIX_SIDE_UPLINK ? "uplink" : "inside";
}

/* What is read of it: a direction that is encrypted, or no FTP, is not. */
static const char *session_state(const struct ftpfix_session *session)
{
	if (session->client.opaque || session->server.opaque)
		return session->client.opaque && session->server.opaque ? "encrypted"
									: "half encrypted";
	return session->client.foreign || session->server.foreign ? "foreign" : "plain";
}

/* When either side was seen last. */
static __u32 session_seen(const struct ftpfix_session *session)
{
	const struct ftpfix_stream *client = &session->client, *server = &session->server;

	if (!server->spoken)
		return client->seen_ticks;
	if (!client->spoken || (__s32)(server->seen_ticks - client->seen_ticks) > 0)
		return server->seen_ticks;
	return client->seen_ticks;
}

static int read_session(const void *key, const void *value, void *context)
{
	const struct ftpfix_session_key *name = key;
	const struct ftpfix_session *session = value;
	struct section *section = context;

	/* One that is over is only still to be deleted. */
	if (session->over)
		return 0;
	/* Asked and answered are counted by the two directions: in between, one
	 * may be ahead. */
	__s8 pasv = session->asked_pasv - session->answered_pasv;
	__s8 epsv = session->asked_epsv - session->answered_epsv;

	return append(section,
		      json_pack("{s:s, s:o, s:o, s:s, s:i, s:i, s:I, s:I}", "side",
				side_name(name->side), "client",
				endpoint(&name->tuple.source, name->tuple.be_source_port),
				"service",
				endpoint(&name->tuple.destination, name->tuple.be_destination_port),
				"state", session_state(session), "outstanding_pasv",
				pasv > 0 ? pasv : 0, "outstanding_epsv", epsv > 0 ? epsv : 0,
				"announcements", (json_int_t)session->announcements, "idle_seconds",
				seconds_since(section, session_seen(session))));
}

/* The address that the expectation names so; none if the map does not say. */
static struct ftpfix_addr named_address(const struct section *section,
					const struct ftpfix_expectation *expectation, __u32 named)
{
	struct ftpfix_addr none = {0}, addr;

	if (named == FTPFIX_NAMED_SOURCE)
		return expectation->session.tuple.source;
	if (named == FTPFIX_NAMED_DESTINATION)
		return expectation->session.tuple.destination;
	if (named == FTPFIX_NAMED_NONE ||
	    bpf_map_lookup_elem(section->dataplane->flows.own_addresses, &named, &addr))
		return none;
	return addr;
}

static int read_expectation(const struct ftpfix_expectation *expectation, void *context)
{
	const struct ftpfix_tuple *session = &expectation->session.tuple;
	struct section *section = context;
	const struct ftpfix_addr advertised =
		named_address(section, expectation, expectation->advertised);
	const struct ftpfix_addr source = named_address(section, expectation, expectation->source);
	bool unread = expectation->state & FTPFIX_EXPECTATION_UNREAD;

	return append_some(
		section,
		json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I}", "peer",
			  address(&expectation->peer), "side", side_name(expectation->side),
			  "public",
			  expected_endpoint(section, &advertised, expectation->be_port, unread),
			  "target",
			  expected_endpoint(section, &expectation->target.addr,
					    expectation->target.be_port, unread),
			  "source", address(&source), "device", interface(expectation->out_ifindex),
			  "session", endpoint(&session->source, session->be_source_port),
			  "seconds_left", seconds_until(section, expectation->deadline_ticks)));
}

static const char *flow_state(const struct ftpfix_flow *flow, const struct ftpfix_flow *back)
{
	__u8 both = flow->progress & back->progress, either = flow->progress | back->progress;

	if (both & FTPFIX_PROGRESS_FIN)
		return "closing";
	return either & FTPFIX_PROGRESS_FIN ? "half closed" : "established";
}

/* How much the flow's side has said: of its sequence numbers SYN and FIN have one each. They
 * are written while they are read. */
static json_int_t flow_bytes(const struct ftpfix_flow *flow)
{
	__u32 last = flow->end_sequence - flow->first_sequence;
	__u64 numbers = (__u64)flow->wraps << 32 | last;
	__u64 others = flow->progress & FTPFIX_PROGRESS_FIN ? 2 : 1;

	return flow->progress & FTPFIX_PROGRESS_SYN && numbers > others ? numbers - others : 0;
}

/* When either side was seen last. */
static __u32 flow_seen(const struct ftpfix_flow *flow, const struct ftpfix_flow *back)
{
	return (__s32)(back->seen_ticks - flow->seen_ticks) > 0 ? back->seen_ticks
								: flow->seen_ticks;
}

static int read_flow(const struct flow_view *view, void *context)
{
	const struct ftpfix_flow *flow = &view->flow, *back = &view->peer;
	const struct ftpfix_tuple *from = &view->from, *to = &view->to;
	struct section *section = context;
	bool inside = section->clients_inside;

	return append_some(
		section,
		json_pack(
			"{s:s, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:I}", "kind",
			flow->place & FTPFIX_PLACE_CONTROL ? "control" : "data",
			inside ? "server" : "client", endpoint(&from->source, from->be_source_port),
			"public", endpoint(&from->destination, from->be_destination_port), "source",
			endpoint(&to->source, to->be_source_port), inside ? "client" : "server",
			endpoint(&to->destination, to->be_destination_port), "state",
			flow_state(flow, back), "bytes_to_server", flow_bytes(inside ? back : flow),
			"bytes_to_client", flow_bytes(inside ? flow : back), "idle_seconds",
			seconds_since(section, flow_seen(flow, back))));
}

static json_t *sides(__u32 bits)
{
	json_t *names = json_array();

	for (__u32 side = FTPFIX_SIDE_UPLINK; side <= FTPFIX_SIDE_INSIDE; side++)
		if (bits & 1U << side)
			json_array_append_new(names, json_string(side_name(side)));
	return names;
}

static int read_interfaces(struct section *section, const struct instance *instance)
{
	const char *tc = attach_name(instance->attachments.how);
	struct xdp_view view;
	int err = 0;
	bool is_off;

	for (size_t i = 0; !err && i < xdp_count(instance->xdp); i++) {
		xdp_look(instance->xdp, i, &view);
		is_off = view.gone || !attach_holds(&instance->attachments, view.index);
		err = append(section,
			     json_pack("{s:o, s:o, s:s?, s:s, s:o, s:o, s:b, s:s?}", "interface",
				       interface(view.index), "sides", sides(view.sides), "tc",
				       is_off ? NULL : tc, "xdp", view.mode, "device",
				       interface(view.device), "vlan",
				       view.vlan ? json_integer(view.vlan) : json_null(), "sends",
				       view.sends, "reason", view.reason[0] ? view.reason : NULL));
	}
	return err;
}

static int read_counters(struct section *section)
{
	__u64 counters[FTPFIX_REASON_COUNT];
	int err;

	err = map_counters(section->dataplane->counters, counters);
	for (int i = 0; !err && i < FTPFIX_REASON_COUNT; i++)
		err = append(section,
			     json_pack("{s:s, s:s, s:I, s:s}", "family",
				       families[reasons[i].family].name, "reason", reasons[i].label,
				       "value", (json_int_t)counters[i], "help", reasons[i].help));
	return err;
}

/* A virtual address and the percentage of its clients that go to the server. */
static int read_share(const struct ftpfix_endpoint *virtual, __u32 slots, void *context)
{
	char text[ENDPOINT_TEXT_MAX];
	double percent = (1000 * slots + FTPFIX_MAGLEV_SLOTS / 2) / FTPFIX_MAGLEV_SLOTS / 10.0;
	const struct shares *shares = context;

	return json_object_set_new(shares->object,
				   endpoint_format(&virtual->addr, virtual->be_port, text),
				   shares->hashed ? json_real(percent) : json_null())
		       ? -ENOMEM
		       : 0;
}

static int read_server(const struct server_view *server, void *context)
{
	struct section *section = context;
	struct shares shares = {json_object(), section->config->balance == FTPFIX_BALANCE_MAGLEV};
	int err;

	err = balancer_shares(section->balancer, &server->endpoint, read_share, &shares);
	if (err) {
		json_decref(shares.object);
		return err;
	}
	return append(section, json_pack("{s:o, s:o, s:i, s:s, s:s?, s:I}", "server",
					 endpoint(&server->endpoint.addr, server->endpoint.be_port),
					 "share", shares.object, "weight", server->weight, "state",
					 server->state, "reason", server->reason, "sessions",
					 (json_int_t)server->sessions));
}

static int read_servers(struct section *section, const struct instance *instance)
{
	return balancer_each(instance->balancer, read_server, section);
}

static int read_sessions(struct section *section, const struct instance *instance)
{
	return map_some(instance->dataplane.sessions, &section->place,
			sizeof(struct ftpfix_session_key), sizeof(struct ftpfix_session),
			read_session, section);
}

static int read_expectations(struct section *section, const struct instance *instance)
{
	struct expectation_table table;
	int result;

	result = expectation_table_open(&table, &instance->dataplane.expectations);
	if (!result)
		result = expectation_table_each(&table, &section->slot, read_expectation, section);
	expectation_table_close(&table);
	return result;
}

static int read_flows(struct section *section, const struct instance *instance)
{
	struct flow_table table;
	int result;

	result = flow_table_open(&table, &instance->dataplane.flows);
	if (!result)
		result = flow_table_each(&table, &section->slot, read_flow, section);
	flow_table_close(&table);
	return result;
}

static int read_all_counters(struct section *section, const struct instance *instance)
{
	(void)instance;
	return read_counters(section);
}

/* Each writes one piece. 1: there may be more; 0: that was the last; or a negative errno. */
static const struct {
	const char *name;
	int (*read)(struct section *section, const struct instance *instance);
} sections[] = {
	{"services", read_services},	 {"interfaces", read_interfaces}, {"servers", read_servers},
	{"sessions", read_sessions},	 {"expected", read_expectations}, {"flows", read_flows},
	{"counters", read_all_counters},
};

#define SECTIONS ((int)(sizeof(sections) / sizeof(sections[0])))

static int number_of(const char *name)
{
	int number = 0;

	while (number < SECTIONS && strcmp(name, sections[number].name))
		number++;
	return number;
}

struct model *model_open(const struct instance *instance, const char *only)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->instance = instance;
	model->only = only ? number_of(only) : -1;
	model->number = only ? model->only : 0;
	return model;
}

static bool is_over(const struct model *model)
{
	return model->number >= SECTIONS || (model->only >= 0 && model->number > model->only);
}

int model_read(struct model *model, FILE *out)
{
	const struct instance *instance = model->instance;
	struct section *section = &model->section;
	int result;

	if (is_over(model))
		return 0;
	section->name = sections[model->number].name;
	section->out = out;
	section->written = 0;
	section->dataplane = &instance->dataplane;
	section->now_ns = monotonic_ns();
	section->clients_inside = instance->config.clients_inside;
	section->config = &instance->config;
	section->balancer = instance->balancer;
	result = sections[model->number].read(section, instance);
	if (result < 0)
		log_line("the maps cannot be read: %s", strerror(-result));
	if (result)
		return result;
	*section = (struct section){0};
	model->number++;
	return !is_over(model);
}

void model_close(struct model *model)
{
	free(model);
}
