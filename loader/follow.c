// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Follows the addresses that rules take from interfaces and names, into the map.
 * This file knows nothing of how either is asked.
 */
#include "follow.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "ifaddr.h"
#include "netlink.h"
#include "resolve.h"

/* A look-up that takes longer has failed. */
#define PATIENCE_SECONDS 30

/* Beside each rule. */
struct follower {
	struct follow *follow;
	struct advertise_rule *rule;
	struct query query;
	unsigned int seconds; /* until the next look-up, or until this one has failed */
	bool failing;	      /* which was said once */
};

struct follow {
	const struct loop *loop;
	const struct dataplane *dataplane;
	struct advertise *rules;
	struct follower *follower; /* as many as there are rules */
	unsigned int dns_seconds;
	struct mnl_socket *socket;
	struct watch watch;
};

static bool is_for(const struct advertise_rule *rule, enum ftpfix_family family)
{
	struct prefix net;

	return advertise_net(rule, family, &net);
}

static bool has_address(const struct advertise_rule *rule)
{
	return !address_is_none(&rule->addr[FTPFIX_IPV4]) ||
	       !address_is_none(&rule->addr[FTPFIX_IPV6]);
}

static void say_none(const struct advertise_rule *rule, const char *what)
{
	char text[ADVERTISE_TEXT_MAX];

	log_line("advertise %s: has no %saddress: clients are told the one that they dialled",
		 advertise_format(rule, text), what);
}

/* Takes what the rule's source says now, and logs what changed. */
static bool update(struct advertise_rule *rule, const struct ftpfix_addr now[FTPFIX_FAMILIES])
{
	char text[ADVERTISE_TEXT_MAX], address[ENDPOINT_TEXT_MAX];
	bool changed = false;

	for (int family = 0; family < FTPFIX_FAMILIES; family++) {
		if (!is_for(rule, family) || address_equal(&rule->addr[family], &now[family]))
			continue;
		changed = true;
		rule->addr[family] = now[family];
		if (address_is_none(&now[family]))
			say_none(rule, family == FTPFIX_IPV4 ? "IPv4 " : "IPv6 ");
		else
			log_line("advertise %s: %s from now on", advertise_format(rule, text),
				 address_format(&now[family], address));
	}
	return changed;
}

static bool update_device(struct advertise_rule *rule)
{
	struct ftpfix_addr now[FTPFIX_FAMILIES];
	int err = ifaddr_find(rule->name, now);

	if (!err)
		return update(rule, now);
	log_line("advertise dev:%s: its addresses cannot be read: %s", rule->name, strerror(-err));
	return false;
}

static void addresses_changed(void *context, uint32_t events)
{
	struct follow *follow = context;
	bool changed = false;

	(void)events;
	netlink_drain(follow->socket);
	for (size_t i = 0; i < follow->rules->count; i++)
		if (follow->rules->rule[i].kind == ADVERTISE_DEVICE)
			changed |= update_device(&follow->rules->rule[i]);
	if (changed)
		dataplane_write_advertise(follow->dataplane, follow->rules);
}

static void say_failed(struct follower *follower, const char *why)
{
	if (!follower->failing)
		log_line("advertise dns:%s: cannot be looked up: %s; %s, and it is asked for again "
			 "every %u seconds",
			 follower->rule->name, why,
			 has_address(follower->rule) ? "its last address stays"
						     : "clients are told the one that they dialled",
			 follower->follow->dns_seconds);
	follower->failing = true;
	follower->seconds = follower->follow->dns_seconds;
}

static void answered(void *context, const struct answer *answer)
{
	struct follower *follower = context;
	struct follow *follow = follower->follow;
	struct ftpfix_addr now[FTPFIX_FAMILIES];

	if (answer->error) {
		say_failed(follower, gai_strerror(answer->error));
		return;
	}
	memcpy(now, follower->rule->addr, sizeof(now));
	for (int family = 0; family < FTPFIX_FAMILIES; family++)
		if (answer->known[family])
			now[family] = answer->addr[family];
	if (follower->failing)
		log_line("advertise dns:%s: is found again", follower->rule->name);
	follower->failing = false;
	follower->seconds = follow->dns_seconds;
	if (update(follower->rule, now))
		dataplane_write_advertise(follow->dataplane, follow->rules);
}

static void look_up(struct follower *follower)
{
	int err = resolve_start(&follower->query, follower->rule->name, follower->rule->addr);

	follower->seconds = PATIENCE_SECONDS;
	if (err)
		say_failed(follower, strerror(-err));
}

void follow_second(struct follow *follow)
{
	for (size_t i = 0; i < follow->rules->count; i++) {
		struct follower *follower = &follow->follower[i];

		if (follower->rule->kind != ADVERTISE_NAME || --follower->seconds > 0)
			continue;
		if (!follower->query.process) {
			look_up(follower);
			continue;
		}
		resolve_end(&follower->query);
		say_failed(follower, "no answer came");
	}
}

static struct follower *make_followers(struct follow *follow)
{
	struct follower *followers = calloc(follow->rules->count + 1, sizeof(*followers));

	for (size_t i = 0; followers && i < follow->rules->count; i++) {
		struct follower *follower = &followers[i];

		follower->follow = follow;
		follower->rule = &follow->rules->rule[i];
		follower->query.loop = follow->loop;
		follower->query.done = answered;
		follower->query.context = follower;
	}
	return followers;
}

/* Fills the map in from rules that are new here. */
static int begin(struct follow *follow)
{
	struct advertise *rules = follow->rules;

	for (size_t i = 0; i < rules->count; i++) {
		struct advertise_rule *rule = &rules->rule[i];

		if (rule->kind != ADVERTISE_DEVICE)
			continue;
		update_device(rule);
		if (!has_address(rule))
			say_none(rule, "");
	}
	return dataplane_write_advertise(follow->dataplane, rules);
}

static void look_all_up(struct follow *follow)
{
	for (size_t i = 0; i < follow->rules->count; i++)
		if (follow->rules->rule[i].kind == ADVERTISE_NAME)
			look_up(&follow->follower[i]);
}

static void end_followers(struct follower *followers, size_t count)
{
	for (size_t i = 0; followers && i < count; i++)
		resolve_end(&followers[i].query);
	free(followers);
}

/* A name that is known need not be looked up before it can be told. */
static void keep_names(struct advertise *rules, const struct advertise *before)
{
	for (size_t i = 0; i < rules->count; i++)
		for (size_t j = 0; j < before->count; j++) {
			struct advertise_rule *rule = &rules->rule[i];
			const struct advertise_rule *old = &before->rule[j];

			for (int family = 0; family < FTPFIX_FAMILIES; family++)
				if (rule->kind == ADVERTISE_NAME && old->kind == rule->kind &&
				    strcmp(rule->name, old->name) == 0 && is_for(rule, family) &&
				    is_for(old, family))
					rule->addr[family] = old->addr[family];
		}
}

int follow_replace(struct follow *follow, const struct advertise *rules)
{
	struct advertise before = *follow->rules;
	struct follower *followers;
	int err;

	*follow->rules = *rules;
	keep_names(follow->rules, &before);
	followers = make_followers(follow);
	err = followers ? begin(follow) : -ENOMEM;
	if (err) {
		*follow->rules = before;
		dataplane_write_advertise(follow->dataplane, follow->rules);
		free(followers);
		return err;
	}
	end_followers(follow->follower, before.count);
	advertise_clear(&before);
	follow->follower = followers;
	look_all_up(follow);
	return 0;
}

static int watch_addresses(struct follow *follow)
{
	follow->socket = netlink_listen(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_LINK);
	if (!follow->socket) {
		log_line("changes of addresses cannot be heard of: %s", strerror(errno));
		return -EIO;
	}
	follow->watch = (struct watch){.fd = mnl_socket_get_fd(follow->socket),
				       .ready = addresses_changed,
				       .context = follow};
	return loop_watch(follow->loop, &follow->watch, EPOLLIN);
}

struct follow *follow_start(const struct loop *loop, const struct dataplane *dataplane,
			    struct advertise *rules, unsigned int dns_seconds)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return NULL;
	follow->loop = loop;
	follow->dataplane = dataplane;
	follow->rules = rules;
	follow->dns_seconds = dns_seconds;
	follow->follower = make_followers(follow);
	if (!follow->follower || watch_addresses(follow) || begin(follow)) {
		follow_stop(follow);
		return NULL;
	}
	look_all_up(follow);
	return follow;
}

void follow_stop(struct follow *follow)
{
	if (!follow)
		return;
	end_followers(follow->follower, follow->rules->count);
	if (follow->socket)
		mnl_socket_close(follow->socket);
	free(follow);
}
