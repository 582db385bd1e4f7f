// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the addresses of an interface and chooses from them.
 * This file knows nothing of what they are used for.
 */
#include "ifaddr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "netlink.h"

/* IFA_F_TEMPORARY is IFA_F_SECONDARY of IPv4. */
#define UNFIT (IFA_F_TEMPORARY | IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)

/* A dump that changed while it was read is asked for again. */
#define TRIES 4

struct choice {
	unsigned int index;
	struct ftpfix_addr *addr;
};

/* RFC 4193: fc00::/7. */
static bool is_unique_local(const struct ftpfix_addr *addr)
{
	return (ntohl(addr->be_word[0]) & 0xfe000000) == 0xfc000000;
}

static void take(const struct choice *choice, const struct ftpfix_addr *addr)
{
	struct ftpfix_addr *chosen = &choice->addr[address_family(addr)];

	if (address_is_none(chosen) || (is_unique_local(chosen) && !is_unique_local(addr)))
		*chosen = *addr;
}

static int read_address(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *local = NULL, *address = NULL;
	const struct choice *choice = context;
	__u32 flags = header->ifa_flags;
	struct ftpfix_addr addr;

	if ((header->ifa_family != AF_INET && header->ifa_family != AF_INET6) ||
	    header->ifa_index != choice->index || header->ifa_scope != RT_SCOPE_UNIVERSE)
		return MNL_CB_OK;
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attribute)) {
		case IFA_LOCAL: /* of a point-to-point link, where IFA_ADDRESS is the peer's */
			local = attribute;
			break;
		case IFA_ADDRESS:
			address = attribute;
			break;
		case IFA_FLAGS: /* all of them; the header has room for eight */
			flags = mnl_attr_get_u32(attribute);
			break;
		}
	}
	if ((flags & UNFIT) || (!local && !address))
		return MNL_CB_OK;
	addr = address_from_bytes(header->ifa_family,
				  mnl_attr_get_payload(local ? local : address));
	if (!address_unreachable(&addr))
		take(choice, &addr);
	return MNL_CB_OK;
}

int ifaddr_find(const char *device, struct ftpfix_addr addr[FTPFIX_FAMILIES])
{
	_Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN + sizeof(struct ifaddrmsg)];
	struct choice choice = {.index = if_nametoindex(device), .addr = addr};
	int err = -EINTR;

	for (int try = 0; err == -EINTR && try < TRIES; try++) {
		struct nlmsghdr *request;
		struct ifaddrmsg *header;

		memset(addr, 0, FTPFIX_FAMILIES * sizeof(*addr));
		if (!choice.index)
			return 0;
		memset(buffer, 0, sizeof(buffer));
		request = mnl_nlmsg_put_header(buffer);
		header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
		request->nlmsg_type = RTM_GETADDR;
		header->ifa_family = AF_UNSPEC;
		err = netlink_dump(request, read_address, &choice);
	}
	return err;
}
