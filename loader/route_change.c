// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells changes of next hops from what else is told of interfaces and neighbours, by what
 * these were before.
 * This file knows nothing of sockets, nor of who wants to know.
 */
#include "route_change.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

/* Twice the 8192 neighbours that large networks have. */
#define SET_BITS 12
#define WAYS 4

#define LINK_ADDRESS_MAX 32 /* MAX_ADDR_LEN of the kernel */

/* Of the kernel: in these states a neighbour's link-layer address is used. */
#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

/* All zero: it is not there, or a neighbour that does not answer. */
struct state {
	__u32 flags; /* IFF_ of an interface, 1 of a neighbour */
	__u32 mtu;
	__u32 master;
	__u32 address_length;
	__u8 address[LINK_ADDRESS_MAX];
};

struct fact {
	__u32 index;		 /* of the interface; 0: nothing is known here */
	struct ftpfix_addr addr; /* of the neighbour; none: the interface itself */
	struct state state;
};

/* The last one that was told of stands first in its set. */
struct route_memory {
	struct fact fact[1 << SET_BITS][WAYS];
};

struct route_memory *route_memory_new(void)
{
	return calloc(1, sizeof(struct route_memory));
}

void route_memory_clear(struct route_memory *memory)
{
	memset(memory, 0, sizeof(*memory));
}

void route_memory_free(struct route_memory *memory)
{
	free(memory);
}

static struct fact *set_of(struct route_memory *memory, const struct fact *fact)
{
	__u32 hash = fact->index;

	for (int word = 0; word < 4; word++)
		hash = (hash ^ fact->addr.be_word[word]) * 0x9e3779b1;
	return memory->fact[hash >> (32 - SET_BITS)];
}

/* Remembers it in place of the one in its set that was not told of for longest. Returns
 * whether it was another before, or was not known. */
static bool remember(struct route_memory *memory, const struct fact *fact)
{
	struct fact *set = set_of(memory, fact);
	int place = 0;
	bool same;

	while (place < WAYS - 1 &&
	       (set[place].index != fact->index || !address_equal(&set[place].addr, &fact->addr)))
		place++;
	same = memcmp(&set[place], fact, sizeof(*fact)) == 0;
	memmove(set + 1, set, place * sizeof(*set));
	set[0] = *fact;
	return !same;
}

static void read_address(const struct nlattr *attribute, struct state *state)
{
	state->address_length = mnl_attr_get_payload_len(attribute);
	memcpy(state->address, mnl_attr_get_payload(attribute),
	       state->address_length < LINK_ADDRESS_MAX ? state->address_length : LINK_ADDRESS_MAX);
}

static bool link_changed(struct route_memory *memory, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct fact fact = {.index = header->ifi_index};
	const struct nlattr *attribute;

	if (message->nlmsg_type == RTM_DELLINK)
		return remember(memory, &fact);
	fact.state.flags = header->ifi_flags & (IFF_UP | IFF_RUNNING);
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_ADDRESS:
			read_address(attribute, &fact.state);
			break;
		case IFLA_MTU:
			fact.state.mtu = mnl_attr_get_u32(attribute);
			break;
		case IFLA_MASTER: /* a VRF has routes of its own */
			fact.state.master = mnl_attr_get_u32(attribute);
			break;
		}
	}
	return remember(memory, &fact);
}

static bool neighbour_changed(struct route_memory *memory, const struct nlmsghdr *message)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct fact fact = {.index = header->ndm_ifindex};
	const struct nlattr *attribute;
	bool valid = message->nlmsg_type == RTM_NEWNEIGH && header->ndm_state & NUD_VALID;

	/* A bridge tells by which of its ports it sends. */
	if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)
		return false;
	fact.state.flags = valid;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == NDA_DST)
			fact.addr = address_from_bytes(header->ndm_family,
						       mnl_attr_get_payload(attribute));
		else if (mnl_attr_get_type(attribute) == NDA_LLADDR && valid)
			read_address(attribute, &fact.state);
	}
	return remember(memory, &fact);
}

bool route_change_told(struct route_memory *memory, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_changed(memory, message);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return neighbour_changed(memory, message);
	default: /* routes, rules, next hops, and whether an interface forwards */
		return true;
	}
}
