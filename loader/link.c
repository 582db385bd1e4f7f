// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads what rtnetlink says of an interface.
 * This file knows nothing of who asks.
 */
#include "link.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

static void read_vlan(const struct nlattr *data, struct link *link)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, data)
	{
		if (mnl_attr_get_type(attribute) == IFLA_VLAN_ID)
			link->vlan = mnl_attr_get_u16(attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_VLAN_PROTOCOL)
			link->is_8021q = mnl_attr_get_u16(attribute) == htons(ETH_P_8021Q);
	}
}

static void read_kind(const struct nlattr *information, struct link *link)
{
	const struct nlattr *attribute, *data = NULL;

	mnl_attr_for_each_nested(attribute, information)
	{
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
			snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attribute));
		else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
			data = attribute;
	}
	link->is_vlan = strcmp(link->kind, "vlan") == 0;
	if (link->is_vlan && data)
		read_vlan(data, link);
}

static void read_xdp(const struct nlattr *xdp, struct link *link)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute,
				 xdp) if (mnl_attr_get_type(attribute) == IFLA_XDP_PROG_ID)
		link->xdp_program = mnl_attr_get_u32(attribute);
}

void link_read(const struct nlmsghdr *message, struct link *link)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	*link = (struct link){.index = header->ifi_index};
	mnl_attr_for_each (attribute, message, sizeof(*header)) {
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_LINK:
			link->lower = mnl_attr_get_u32(attribute);
			break;
		case IFLA_LINK_NETNSID:
			link->lower_elsewhere = true;
			break;
		case IFLA_LINKINFO:
			read_kind(attribute, link);
			break;
		case IFLA_XDP:
			read_xdp(attribute, link);
			break;
		}
	}
}

static int take_link(const struct nlmsghdr *message, void *context)
{
	link_read(message, context);
	return MNL_CB_OK;
}

int link_ask(unsigned int index, struct link *link)
{
	_Alignas(struct nlmsghdr) char buffer[MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg)] = {0};
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = RTM_GETLINK;
	header->ifi_family = AF_UNSPEC;
	header->ifi_index = index;
	return netlink_ask(request, take_link, link);
}

bool link_takes_tags(unsigned int index)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};
	bool takes;
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	takes = if_indextoname(index, request.ifr_name) && !ioctl(fd, SIOCETHTOOL, &request) &&
		(flags.data & ETH_FLAG_RXVLAN);
	close(fd);
	return takes;
}
