// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the kernel for the route to one address.
 * This file knows nothing of what is there.
 */
#include "next_hop.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "netlink.h"

static int read_route(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct next_hop *hop = context;

	if (header->rtm_type != RTN_UNICAST) {
		errno = header->rtm_type == RTN_LOCAL ? ELOOP : ENETUNREACH;
		return MNL_CB_ERROR;
	}
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == RTA_OIF)
			hop->out_index = mnl_attr_get_u32(attribute);
		else if (mnl_attr_get_type(attribute) == RTA_PREFSRC)
			hop->source = address_from_bytes(header->rtm_family,
							 mnl_attr_get_payload(attribute));
	}
	return MNL_CB_OK;
}

int next_hop_find(const struct ftpfix_addr *addr, struct next_hop *hop)
{
	_Alignas(struct nlmsghdr) char
		buffer[MNL_NLMSG_HDRLEN + sizeof(struct rtmsg) + MNL_ATTR_HDRLEN + sizeof(*addr)];
	bool ipv4 = address_family(addr) == FTPFIX_IPV4;
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	*hop = (struct next_hop){0};
	request->nlmsg_type = RTM_GETROUTE;
	header->rtm_family = ipv4 ? AF_INET : AF_INET6;
	header->rtm_dst_len = ipv4 ? 32 : 128;
	if (ipv4)
		mnl_attr_put(request, RTA_DST, sizeof(addr->be_word[3]), &addr->be_word[3]);
	else
		mnl_attr_put(request, RTA_DST, sizeof(*addr), addr);
	return netlink_ask(request, read_route, hop);
}
