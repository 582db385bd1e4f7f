// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the "netdev" family of generic netlink what interfaces can do for XDP.
 * This file knows nothing of programs.
 */
#include "xdp_features.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stddef.h>
#include <string.h>

#include "netlink.h"

/* Of Linux 6.3's linux/netdev.h, which older headers lack. */
#define FAMILY "netdev"
#define GROUP "mgmt"
#define COMMAND_GET 1
#define ATTRIBUTE_INDEX 1
#define ATTRIBUTE_FEATURES 3

#define REQUEST_MAX (MNL_NLMSG_HDRLEN + sizeof(struct genlmsghdr) + 64)

static struct nlmsghdr *put_request(void *buffer, __u16 family, __u8 command)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = family;
	header->cmd = command;
	header->version = 1;
	return request;
}

static void read_groups(const struct nlattr *groups, struct xdp_family *family)
{
	const struct nlattr *group, *attribute;

	mnl_attr_for_each_nested(group, groups)
	{
		const char *name = "";
		__u32 id = 0;

		mnl_attr_for_each_nested(attribute, group)
		{
			if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_NAME)
				name = mnl_attr_get_str(attribute);
			else if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_ID)
				id = mnl_attr_get_u32(attribute);
		}
		if (strcmp(name, GROUP) == 0)
			family->group = id;
	}
}

static int read_family(const struct nlmsghdr *message, void *context)
{
	struct xdp_family *family = context;
	const struct nlattr *attribute;

	mnl_attr_for_each (attribute, message, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID)
			family->id = mnl_attr_get_u16(attribute);
		else if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GROUPS)
			read_groups(attribute, family);
	}
	return MNL_CB_OK;
}

int xdp_family_find(struct xdp_family *family)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX] = {0};
	struct nlmsghdr *request = put_request(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	int err;

	*family = (struct xdp_family){0};
	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, FAMILY);
	err = netlink_ask_generic(request, read_family, family);
	return err == -ENOENT ? 0 : err;
}

static int read_features(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attribute;
	__u64 *features = context;

	mnl_attr_for_each (attribute, message, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attribute) == ATTRIBUTE_FEATURES)
			*features = mnl_attr_get_u64(attribute);
	return MNL_CB_OK;
}

int xdp_features_ask(const struct xdp_family *family, unsigned int index, __u64 *features)
{
	_Alignas(struct nlmsghdr) char buffer[REQUEST_MAX] = {0};
	struct nlmsghdr *request = put_request(buffer, family->id, COMMAND_GET);

	*features = 0;
	mnl_attr_put_u32(request, ATTRIBUTE_INDEX, index);
	return netlink_ask_generic(request, read_features, features);
}
