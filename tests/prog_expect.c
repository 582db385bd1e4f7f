// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an expectation takes: no place of another one, and no number of an address for a
 * client.
 */
#include "prog_dial.h"
#include "prog_stream.h"

/* What the kernel keeps in front of an element of such a table, and behind it. */
#define ELEMENT_BYTES (48 + 8)

#define ROOM 8
#define CLIENTS 20

#define SECOND "227 Entering Passive Mode (10,0,0,175,83,238).\r\n"

static struct talk talk_begin(void **state, enum ftpfix_forward forward)
{
	struct world *world = world_begin(state, forward);

	world_allow(world, ip4(10, 0, 0, 0), 8, 0);
	return talk_of(world);
}

static __u32 expectations(const struct world *world)
{
	return map_entries(world->skeleton->maps.expectations);
}

/* A server's announcement is followed. */
static void announced(struct talk *talk, const char *line, const char *public)
{
	talk_ask(talk, "PASV\r\n");
	talk_answer(talk, line, public);
	counted(talk->world, EXPECTED_NEW);
}

/* Memory is taken for what is expected, not for what may be. */
static void small(void **state)
{
	struct world *world = world_begin(state, FTPFIX_FORWARD_NAT);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(world->skeleton->maps.expectations),
						&info, &size),
			 0);
	assert_int_equal(info.type, BPF_MAP_TYPE_HASH);
	assert_true(info.map_flags & BPF_F_NO_PREALLOC);
	assert_in_range(ELEMENT_BYTES + (info.key_size + 7) / 8 * 8 + (info.value_size + 7) / 8 * 8,
			129, 192);
}

/* A table that is full takes nothing from those who are in it, nor from connections. */
static void full(void **state)
{
	struct talk talks[ROOM + 1];
	struct ftpfix_expectation expectation;
	struct talk *last = &talks[ROOM];
	struct dial dial;

	for (int number = 0; number <= ROOM; number++) {
		talks[number] = number ? talks[0] : talk_begin(state, FTPFIX_FORWARD_NAT);
		talks[number].client += number;
		talks[number].peer = talks[number].client;
	}
	for (int number = 0; number < ROOM; number++)
		announced(&talks[number], VSFTPD, VSFTPD_PUBLIC);
	talk_ask(last, "PASV\r\n");
	talk_answer(last, VSFTPD, VSFTPD);
	counted(last->world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	assert_int_equal(expectations(last->world), ROOM);
	for (int number = 0; number <= ROOM; number++)
		assert_int_equal(talk_expects(&talks[number], PORT, &expectation), number < ROOM);
	/* Who is in it may announce the same again. */
	talk_ask(&talks[1], "PASV\r\n");
	talk_answer(&talks[1], VSFTPD, VSFTPD_PUBLIC);
	counted(last->world, {FTPFIX_ANNOUNCEMENT_REWRITTEN, 1});
	dial = dial_of(&talks[0], PORT, PORT);
	dial_open(&dial);
	counted(last->world, {FTPFIX_CONNECTION_OPENED, 1}, CARRIED(3, 0));
	announced(last, VSFTPD, VSFTPD_PUBLIC);
	assert_int_equal(expectations(last->world), ROOM);
	dial_down(&dial, PSH | ACK, "listing");
}

/* Numbers of addresses are never given back: clients, who are many, get none, not even where
 * servers know them by their own addresses. */
static void no_number_for_clients(void **state)
{
	for (int fullnat = 0; fullnat < 2; fullnat++) {
		struct talk first =
			talk_begin(state, fullnat ? FTPFIX_FORWARD_FULLNAT : FTPFIX_FORWARD_NAT);
		const __u32 *own_count = &first.world->skeleton->bss->own_count;
		__u32 before = 0;

		for (int number = 0; number < CLIENTS; number++) {
			struct talk talk = first;
			struct stream inside;
			char line[64];

			talk.client = talk.peer = first.client + number;
			inside = stream_of(&talk, INSIDE_EGRESS, talk.client_sequence,
					   talk.inner_sequence);
			snprintf(line, sizeof(line), "PORT 198,51,100,%u,195,80\r\n", 10 + number);
			talk_ask(&talk, line);
			stream_passes(&inside, line);
			counted(talk.world, EXPECTED_KEPT);
			talk_ask(&talk, "PASV\r\n");
			talk_answer(&talk, VSFTPD, VSFTPD_PUBLIC);
			counted(talk.world, EXPECTED_NEW);
			map_clear(talk.world->skeleton->maps.expectations);
			if (!number)
				before = *own_count;
		}
		assert_int_equal(*own_count, before);
	}
}

/* When there is no number for an address of the node's, what needs one passes unchanged. */
static void no_number_left(void **state)
{
	struct talk talk = talk_begin(state, FTPFIX_FORWARD_NAT);
	__u32 *own_count = &talk.world->skeleton->bss->own_count, before = *own_count;

	*own_count = FTPFIX_OWN_MAX - 1;
	announced(&talk, VSFTPD, VSFTPD_PUBLIC);
	world_advertise(talk.world, 0, 0, ip4(192, 0, 2, 211));
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, SECOND, SECOND);
	counted(talk.world, REFUSED(FTPFIX_ANNOUNCEMENT_TABLE_FULL));
	assert_int_equal(expectations(talk.world), 1);
	*own_count = before;
	talk_ask(&talk, "PASV\r\n");
	talk_answer(&talk, SECOND, "227 Entering Passive Mode (192,0,2,211,83,238)\r\n");
	counted(talk.world, EXPECTED_NEW);
	assert_int_equal(*own_count, before + 1);
}

static void little_room(struct ftpfix *skeleton)
{
	bpf_map__set_max_entries(skeleton->maps.expectations, ROOM);
}

static int room_setup(void **state)
{
	if (world_setup(state) || !*state)
		return *state || !geteuid() ? -1 : 0;
	world_close(*state);
	*state = world_open_configured(0, 0, little_room);
	return *state ? 0 : -1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(small),
		cmocka_unit_test(full),
		cmocka_unit_test(no_number_for_clients),
		cmocka_unit_test(no_number_left),
	};

	return cmocka_run_group_tests(tests, room_setup, world_teardown);
}
