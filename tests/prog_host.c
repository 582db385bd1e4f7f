// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * HOST (RFC 7151) with an address: the virtual one, which the client dialled or was
 * told, becomes the server's own where the command leaves.
 */
#include "prog_stream.h"

struct hosts {
	struct talk talk;
	struct stream uplink; /* commands, where they come in */
	struct stream inside; /* and where they leave */
};

static struct hosts hosts_begin(void **state, enum ftpfix_forward forward, int ipv6)
{
	struct hosts hosts = {.talk = talk_of(world_begin(state, forward))};

	world_sum_unknown(hosts.talk.world);
	hosts.talk.shape.ipv6 = ipv6;
	hosts.uplink = stream_of(&hosts.talk, UPLINK_INGRESS, -10u, 4000);
	hosts.inside = stream_of(&hosts.talk, INSIDE_EGRESS, -10u, 4000);
	return hosts;
}

static void host_at(struct hosts *hosts, const char *line, const char *expected, const char *file,
		    int number)
{
	stream_next_at(&hosts->uplink, line, line, file, number);
	stream_next_at(&hosts->inside, line, expected, file, number);
	counted_check(
		hosts->talk.world,
		(struct change[]){{FTPFIX_ANNOUNCEMENT_HOST, !!strcmp(line, expected)}, NOTHING},
		file, number);
}

#define host(hosts, line, expected) host_at(hosts, line, expected, __FILE__, __LINE__)

static void virtual_address(void **state)
{
	static const enum ftpfix_forward forwards[] = {FTPFIX_FORWARD_NAT, FTPFIX_FORWARD_FULLNAT};

	for (int index = 0; index < 2; index++) {
		struct hosts hosts = hosts_begin(state, forwards[index], 0);

		host(&hosts, "HOST 203.0.113.5\r\n", "HOST 10.0.0.175\r\n");
		host(&hosts, "host  203.0.113.5\n", "host  10.0.0.175\n");
		stream_acknowledged(&hosts.inside, hosts.inside.out, hosts.inside.in);
		host(&hosts, "USER anonymous\r\n", "USER anonymous\r\n");
	}
}

static void other_names(void **state)
{
	static const char *const lines[] = {
		"HOST ftp.example.org\r\n", "HOST 203.0.113.6\r\n",  "HOST 10.0.0.175\r\n",
		"HOST 203.0.113.5 \r\n",    "HOST 203.0.113\r\n",    "HOST\r\n",
		"HOST [203.0.113.5]\r\n",   "HOST 203.0.113.5x\r\n", "HOST 203.0.113.5.\r\n",
	};
	struct hosts hosts = hosts_begin(state, FTPFIX_FORWARD_NAT, 0);

	for (size_t index = 0; index < sizeof(lines) / sizeof(lines[0]); index++)
		host(&hosts, lines[index], lines[index]);
}

/* The address that the client was told in place of the one that it dialled. */
static void advertised_address(void **state)
{
	struct hosts hosts = hosts_begin(state, FTPFIX_FORWARD_NAT, 0);

	world_advertise(hosts.talk.world, ip4(198, 51, 100, 0), 24, ip4(192, 0, 2, 9));
	host(&hosts, "HOST 192.0.2.9\r\n", "HOST 10.0.0.175\r\n");
	host(&hosts, "HOST 203.0.113.5\r\n", "HOST 10.0.0.175\r\n");
}

static void of_ipv6(void **state)
{
	struct hosts hosts = hosts_begin(state, FTPFIX_FORWARD_NAT, 1);

	host(&hosts, "HOST [2001:db8:cb00::7105]\r\n", "HOST [2001:db8:a00::af]\r\n");
	host(&hosts, "HOST [2001:DB8:CB00:0:0:0:0:7105]\r\n", "HOST [2001:db8:a00::af]\r\n");
	host(&hosts, "HOST [2001:db8:cb00::7106]\r\n", "HOST [2001:db8:cb00::7106]\r\n");
	host(&hosts, "HOST 2001:db8:cb00::7105\r\n", "HOST 2001:db8:cb00::7105\r\n");
}

/* At equal length, where that is asked for; with room to spare there is none. */
static void at_equal_length(void **state)
{
	struct hosts hosts = hosts_begin(state, FTPFIX_FORWARD_NAT, 0);

	hosts.talk.world->service.rewrite = FTPFIX_REWRITE_EQUAL_LENGTH;
	world_write_service(hosts.talk.world);
	stream_passes(&hosts.uplink, "HOST 203.0.113.5\r\n");
	stream_passes(&hosts.inside, "HOST 203.0.113.5\r\n");
	counted(hosts.talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_LENGTH));
	hosts.uplink.talk.vip = ip4(203, 0, 13, 5);
	host(&hosts, "HOST 203.0.13.5\r\n", "HOST 10.0.0.175\r\n");
	assert_int_equal(hosts.inside.in, hosts.inside.out);
}

static void in_two(void **state)
{
	static const char line[] = "HOST 203.0.113.5\r\n";

	for (__u32 cut = 1; cut + 1 < sizeof(line); cut++) {
		struct hosts hosts = hosts_begin(state, FTPFIX_FORWARD_FULLNAT, 0);

		host(&hosts, "NOOP\r\n", "NOOP\r\n");
		/* Where it comes in it needs no change, and is not kept back. */
		stream_passes(&hosts.uplink, head_of(line, cut));
		stream_passes(&hosts.uplink, line + cut);
		kept_back(&hosts.inside, head_of(line, cut), 0);
		stream_next(&hosts.inside, line + cut, "HOST 10.0.0.175\r\n");
		counted(hosts.talk.world, {FTPFIX_ANNOUNCEMENT_HOST, 1});
		stream_acknowledged(&hosts.inside, hosts.inside.out, hosts.inside.in);
	}
}

/* --forward none: the one program on the uplink does both. */
static void without_forwarding(void **state)
{
	struct hosts hosts = hosts_begin(state, FTPFIX_FORWARD_NONE, 0);

	world_advertise(hosts.talk.world, 0, 0, ip4(192, 0, 2, 99));
	stream_passes(&hosts.uplink, "HOST 203.0.113.5\r\n");
	counted(hosts.talk.world, NOTHING);
	stream_next(&hosts.uplink, "HOST 192.0.2.99\r\n", "HOST 203.0.113.5\r\n");
	counted(hosts.talk.world, {FTPFIX_ANNOUNCEMENT_HOST, 1});
	kept_back(&hosts.uplink, "HOST 192", 0);
	stream_next(&hosts.uplink, ".0.2.99\r\n", "HOST 203.0.113.5\r\n");
	counted(hosts.talk.world, {FTPFIX_ANNOUNCEMENT_HOST, 1});
	assert_int_equal(map_entries(hosts.talk.world->skeleton->maps.seen), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtual_address),    cmocka_unit_test(other_names),
		cmocka_unit_test(advertised_address), cmocka_unit_test(of_ipv6),
		cmocka_unit_test(at_equal_length),    cmocka_unit_test(in_two),
		cmocka_unit_test(without_forwarding),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
