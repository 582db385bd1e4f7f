// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sequence numbers before and behind edits (seqadj.h), against a model that keeps every
 * byte of both streams: which input bytes each output byte brings.
 */
#include "unit.h"

#include "seqadj.h"

#define BYTES_MAX 8192
#define DIRECTION 1 /* of the stream that is tested */
#define ROUNDS 50
#define STEPS 40

/* What the model knows of one byte of the input. */
struct model_byte {
	__u32 out;	 /* where it stands in the output, or its edit begins */
	__u32 delivered; /* an acknowledgement of the output from here on has it */
	__u8 held;	 /* acknowledged before it went on */
};

struct model_edit {
	__u32 in, in_length, out, out_length, held;
	int in_place;
};

/* Offsets from the first byte of either stream. */
struct model {
	struct model_byte byte[BYTES_MAX];
	struct model_edit edit[STEPS];
	__u32 edits;
	__u32 in;  /* bytes so far */
	__u32 out; /* bytes so far */
	__u32 acknowledged;
	/* The sequence numbers of both first bytes, and what is tested. */
	__u32 in_start, out_start;
	struct ftpfix_stream stream, peer;
	struct ftpfix_draft draft;
	__u32 forgotten; /* edits that the stream may have forgotten */
};

/* That of the model at hand. */
static struct ftpfix_draft *draft_at_hand;

/* What happens on the other CPU between finding the draft and reading it. */
static void (*meanwhile)(void);

static inline struct ftpfix_draft *draft_find(int from_client)
{
	struct ftpfix_draft *found = draft_at_hand;

	assert_int_equal(from_client, DIRECTION);
	if (meanwhile)
		meanwhile();
	meanwhile = NULL;
	return found;
}

static __u32 random_below(__u32 bound)
{
	return (__u32)random() % bound;
}

static void model_begin(struct model *model, __u32 start)
{
	memset(model, 0, sizeof(*model));
	draft_at_hand = NULL;
	model->stream.next_sequence = start;
	model->in_start = model->out_start = start;
	model->peer.acknowledging = 1;
	model->peer.acknowledged = start;
}

/* Bytes that go on as they are. */
static void model_pass(struct model *model, __u32 length)
{
	for (; length; length--, model->in++) {
		model->byte[model->in].out = model->out++;
		model->byte[model->in].delivered = model->out;
	}
}

/* Writes down what the last edit does to its bytes. */
static void model_settle(struct model *model)
{
	const struct model_edit *edit = &model->edit[model->edits - 1];

	model->in = edit->in + edit->in_length;
	model->out = edit->out + edit->out_length;
	for (__u32 offset = 0; offset < edit->in_length; offset++) {
		struct model_byte *byte = &model->byte[edit->in + offset];

		byte->out = edit->out + (edit->in_place ? offset : 0);
		byte->delivered = edit->in_place ? byte->out + 1 : model->out;
		byte->held = offset < edit->held;
	}
}

/* Whether one more edit can be remembered, by the model. */
static int model_has_room(const struct model *model)
{
	const struct model_edit *oldest;

	if (model->edits < model->forgotten + FTPFIX_EDITS_MAX)
		return 1;
	oldest = &model->edit[model->edits - FTPFIX_EDITS_MAX];
	return oldest->out + oldest->out_length <= model->acknowledged;
}

/* The draft, made where there is none. */
static struct ftpfix_draft *model_draft(struct model *model)
{
	if (!draft_at_hand) {
		memset(&model->draft, 0x55, sizeof(model->draft));
		draft_begin(&model->draft, &model->stream);
		draft_at_hand = &model->draft;
	}
	assert_int_equal(draft_has_room(&model->draft, &model->peer), model_has_room(model));
	return &model->draft;
}

static void model_noted(struct model *model, const struct model_edit *edit)
{
	model->edit[model->edits++] = *edit;
	if (model->edits > model->forgotten + FTPFIX_EDITS_MAX)
		model->forgotten++;
}

/* An edit as line.h makes one. Returns whether there was room. */
static int model_edit(struct model *model, __u32 in_length, __u32 out_length)
{
	struct ftpfix_draft *draft = model_draft(model);
	struct ftpfix_extent extent = {.in_length = in_length,
				       .out_length = out_length,
				       .in_place = in_length == out_length};
	struct ftpfix_edit *slot;

	if (!draft_has_room(draft, &model->peer))
		return 0;
	slot = draft_slot(draft, &model->stream);
	slot->in_sequence = model->in_start + model->in;
	slot->out_sequence = stream_front(&model->stream, slot->in_sequence);
	edit_set_extent(slot, extent);
	draft_add(draft, &model->stream, slot);
	model_noted(model, &(struct model_edit){.in = model->in,
						.in_length = in_length,
						.out = model->out,
						.out_length = out_length,
						.in_place = extent.in_place});
	model_settle(model);
	return 1;
}

/* The stream's next packet: its draft goes when all in it is acknowledged. Returns whether
 * it went. */
static int model_review(struct model *model)
{
	const struct model_edit *newest = model->edit + model->edits - !!model->edits;
	int done = !model->edits || (!model->stream.holding &&
				     newest->out + newest->out_length <= model->acknowledged);

	model->stream.next_sequence = model->in_start + model->in;
	assert_int_equal(draft_done(&model->stream, &model->peer), done);
	if (!done || !draft_at_hand)
		return 0;
	stream_forget(&model->stream);
	memset(&model->draft, 0xaa, sizeof(model->draft));
	draft_at_hand = NULL;
	model->forgotten = model->edits;
	return 1;
}

/* The start of a line is kept back, or more of it. */
static int model_hold(struct model *model, __u32 length)
{
	__u32 in = model->stream.holding ? model->edit[model->edits - 1].in : model->in;
	int room = model->stream.holding || model_has_room(model);
	struct ftpfix_draft *draft = model->stream.holding ? &model->draft : model_draft(model);

	assert_int_equal(
		stream_hold(&model->stream, draft, &model->peer, model->in_start + in, length),
		room);
	if (!room)
		return 0;
	assert_int_equal(model->stream.holding, 1);
	if (in == model->in)
		model_noted(model, &(struct model_edit){.in = in, .out = model->out});
	model->edit[model->edits - 1].in_length = length;
	model->edit[model->edits - 1].held = length;
	model_settle(model);
	return 1;
}

static void model_release(struct model *model, __u32 in_length, __u32 out_length)
{
	stream_release(&model->stream, &model->draft, in_length, out_length);
	assert_int_equal(model->stream.holding, 0);
	model->edit[model->edits - 1].in_length = in_length;
	model->edit[model->edits - 1].out_length = out_length;
	model_settle(model);
}

static void model_acknowledge(struct model *model, __u32 out)
{
	model->acknowledged = out;
	model->peer.acknowledged = model->out_start + out;
}

/* The first input byte whose edits are remembered. */
static __u32 model_floor(const struct model *model)
{
	const struct model_edit *forgotten;

	if (!model->forgotten)
		return 0;
	forgotten = &model->edit[model->forgotten - 1];
	return forgotten->in + forgotten->in_length;
}

static __u32 output(struct model *model, __u32 in)
{
	return stream_output(&model->stream, DIRECTION, model->in_start + in) - model->out_start;
}

static __u32 input(struct model *model, __u32 out, enum seqadj_bound bound)
{
	return stream_input(&model->stream, DIRECTION, model->out_start + out, bound) -
	       model->in_start;
}

/* The edit in which this place of the output lies, or NULL. */
static const struct model_edit *model_edit_at(const struct model *model, __u32 out)
{
	for (__u32 index = model->edits; index--;) {
		const struct model_edit *edit = &model->edit[index];

		if (out >= edit->out && out < edit->out + edit->out_length)
			return edit;
	}
	return NULL;
}

static void check_outputs(struct model *model, __u32 floor)
{
	for (__u32 in = floor; in < model->in; in++) {
		assert_int_equal(output(model, in), model->byte[in].out);
		if (in > floor)
			assert_true(output(model, in) >= output(model, in - 1));
	}
	assert_int_equal(output(model, model->in), model->out);
	assert_int_equal(output(model, model->in + 1000), model->out + 1000);
}

/* An acknowledgement of the output covers the input that it brings, with what was kept
 * back behind that, and nothing else. */
static void check_acknowledgement(struct model *model, __u32 out, __u32 floor)
{
	__u32 in = floor;

	while (in < model->in && (model->byte[in].delivered <= out || model->byte[in].held))
		in++;
	assert_int_equal(input(model, out, SEQADJ_ACKNOWLEDGED), in);
}

/* The edge of a SACK block says no more than is true: within a text the left one stands
 * behind it, the right one in front. */
static void check_edge(struct model *model, __u32 out)
{
	__u32 left = input(model, out, SEQADJ_BLOCK_START);
	__u32 right = input(model, out, SEQADJ_ACKNOWLEDGED);
	const struct model_edit *edit = model_edit_at(model, out);

	assert_true(left >= right);
	if (edit && !edit->in_place && out > edit->out)
		assert_int_equal(left, edit->in + edit->in_length);
	else
		assert_int_equal(left, right);
}

static void check_inputs(struct model *model, __u32 floor)
{
	__u32 first = output(model, floor);

	for (__u32 out = first; out <= model->out; out++) {
		check_acknowledgement(model, out, floor);
		check_edge(model, out);
		if (out > first)
			assert_true(input(model, out, SEQADJ_ACKNOWLEDGED) >=
				    input(model, out - 1, SEQADJ_ACKNOWLEDGED));
	}
	assert_int_equal(input(model, model->out + 1000, SEQADJ_ACKNOWLEDGED), model->in + 1000);
}

/* There and back: a byte that no edit wrote over is where it was. */
static void check_return(struct model *model, __u32 floor)
{
	for (__u32 in = floor; in < model->in; in++) {
		__u32 out = model->byte[in].out;
		const struct model_edit *edit = model_edit_at(model, out);

		if (model->byte[in].delivered == out + 1 && (!edit || edit->in_place) &&
		    !model->byte[in].held)
			assert_int_equal(input(model, out, SEQADJ_ACKNOWLEDGED), in);
	}
}

/* From where on edits are remembered, seen from that byte of the input. */
static __u32 known(const struct model *model, __u32 in)
{
	return stream_known(&model->stream, draft_find(DIRECTION), model->in_start + in);
}

/* What is in front of the first edit that is remembered: the receiver has it, and its
 * numbers stay in front. */
static void check_forgotten(struct model *model, __u32 floor)
{
	__u32 first = output(model, floor);

	assert_true(first <= model->acknowledged);
	for (__u32 in = floor - 1; in < floor; in--) {
		assert_int_equal(known(model, in), model->in_start + floor);
		if (in < floor - 20)
			break;
	}
	for (__u32 back = 1; back < 20 && back <= first; back++) {
		assert_true((__s32)(floor - input(model, first - back, SEQADJ_ACKNOWLEDGED)) > 0);
		assert_true((__s32)(floor - input(model, first - back, SEQADJ_BLOCK_START)) > 0);
	}
}

static void check(struct model *model)
{
	__u32 floor = model_floor(model);

	assert_int_equal(stream_edited(&model->stream), model->edits != 0);
	for (__u32 in = floor; model->edits && in < model->in; in++)
		assert_int_equal(known(model, in), model->in_start + in);
	if (floor)
		check_forgotten(model, floor);
	check_outputs(model, floor);
	check_inputs(model, floor);
	check_return(model, floor);
}

/* One line of a random kind. */
static void random_line(struct model *model)
{
	__u32 length = 1 + random_below(60), held;

	model_pass(model, random_below(40));
	switch (random_below(5)) {
	case 0:
		model_edit(model, length, length);
		break;
	case 1:
	case 2:
		model_edit(model, length, random_below(FTPFIX_LINE_MAX));
		break;
	case 3:
		for (held = 0; held < length; held += 1 + random_below(8)) {
			if (!model_hold(model, held + 1))
				return;
			check(model);
		}
		held = model->edit[model->edits - 1].held;
		model_release(model, held + 1 + random_below(20),
			      1 + random_below(FTPFIX_LINE_MAX));
		break;
	default:
		break;
	}
}

static void random_session(__u32 start)
{
	struct model *model = malloc(sizeof(*model));

	assert_non_null(model);
	model_begin(model, start);
	for (int step = 0; step < STEPS - 1; step++) {
		random_line(model);
		if (random_below(3))
			model_acknowledge(
				model, model->acknowledged +
					       random_below(model->out - model->acknowledged + 1));
		check(model);
		if (random_below(2) && model_review(model))
			check(model);
	}
	free(model);
}

static void random_edits(void **state)
{
	(void)state;
	srandom(1);
	for (int round = 0; round < ROUNDS; round++)
		random_session((__u32)random() << 1);
}

static void around_the_wrap(void **state)
{
	(void)state;
	srandom(2);
	for (__u32 round = 0; round < ROUNDS; round++) {
		random_session(-random_below(2000));
		random_session(0x80000000u - random_below(2000));
	}
}

/* Without edits nothing moves, wherever it stands; nor without a stream. */
static void without_edits(void **state)
{
	struct ftpfix_stream stream = {};

	(void)state;
	for (__u32 round = 0; round < 32; round++) {
		__u32 sequence = 1u << round;

		assert_int_equal(stream_output(&stream, DIRECTION, sequence), sequence);
		assert_int_equal(stream_input(&stream, DIRECTION, sequence, SEQADJ_ACKNOWLEDGED),
				 sequence);
		assert_int_equal(stream_output(NULL, DIRECTION, sequence), sequence);
		assert_int_equal(stream_input(NULL, DIRECTION, sequence, SEQADJ_BLOCK_START),
				 sequence);
	}
	assert_false(stream_edited(&stream));
}

/* A receiver that was never heard keeps nothing waiting. */
static void receiver_unheard(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	(void)state;
	assert_non_null(model);
	model_begin(model, 1);
	for (int edit = 0; edit < FTPFIX_EDITS_MAX; edit++)
		assert_true(model_edit(model, 10, 20));
	assert_false(model_edit(model, 10, 20));
	model->peer.acknowledging = 0;
	assert_true(draft_has_room(&model->draft, &model->peer));
	free(model);
}

/* The text that ends an acknowledgement is in no way acknowledged before its end. */
static void an_edit_waits_for_its_last_byte(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	(void)state;
	assert_non_null(model);
	model_begin(model, -5u);
	for (int edit = 0; edit < FTPFIX_EDITS_MAX; edit++)
		assert_true(model_edit(model, 3, 7));
	for (__u32 out = 0; out < 7; out++) {
		model_acknowledge(model, out);
		assert_false(model_edit(model, 3, 7));
		assert_false(model_hold(model, 1));
	}
	model_acknowledge(model, 7);
	assert_true(model_hold(model, 1));
	check(model);
	free(model);
}

/* Far more edits than a draft holds, each acknowledged before the next: what a draft leaves
 * behind in the stream adds up, whether it is deleted in between or not. */
static void edits_without_end(void **state)
{
	(void)state;
	for (int deleted = 0; deleted < 2; deleted++) {
		struct model *model = calloc(1, sizeof(*model));

		assert_non_null(model);
		model_begin(model, -100u);
		for (int edit = 0; edit < STEPS - 1; edit++) {
			model_pass(model, 10);
			assert_true(model_edit(model, 17, edit % 3 ? 22 : 14));
			check(model);
			model_acknowledge(model, model->out);
			if (deleted) {
				assert_true(model_review(model));
				check(model);
			}
		}
		assert_int_equal(draft_at_hand == NULL, deleted);
		free(model);
	}
}

/* However often something is forgotten: the number says so each time, and never that nothing was
 * ever edited; what stands beside it in its word stays. */
static void forgotten_without_end(void **state)
{
	struct ftpfix_stream stream = {.held_sequence = 0xfffe};

	(void)state;
	stream_forget(&stream);
	assert_false(stream_edited(&stream));
	stream_renumber(&stream, 1);
	for (int time = 0; time < 1 << 17; time++) {
		__u16 before = stream_serial(&stream);

		stream_forget(&stream);
		assert_true(stream_edited(&stream));
		assert_int_not_equal(stream_serial(&stream), before);
		assert_int_equal(stream.held_sequence, 0xfffe);
	}
}

/* A number that its receiver cannot have been sent acknowledges nothing. */
static void acknowledged_too_much(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	(void)state;
	assert_non_null(model);
	model_begin(model, 1000);
	assert_true(model_edit(model, 10, 20));
	model->stream.next_sequence = model->in_start + model->in;
	model->peer.acknowledged = model->out_start + model->out + 1;
	assert_false(draft_done(&model->stream, &model->peer));
	model->stream.finished = 1;
	assert_true(draft_done(&model->stream, &model->peer));
	model->peer.acknowledged += 1 << 30;
	assert_false(draft_done(&model->stream, &model->peer));
	free(model);
}

/* The draft is deleted under the eyes of who reads it, and another session gets it. */
static struct model *model_read;

static void model_reuse(void)
{
	stream_forget(&model_read->stream);
	draft_at_hand = NULL;
	memset(&model_read->draft, 0x33, sizeof(model_read->draft));
	model_read->draft.edits = FTPFIX_EDITS_MAX;
}

static void deleted_while_it_is_read(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	(void)state;
	assert_non_null(model);
	for (__u32 out = 0; out < 50; out++) {
		model_begin(model, 1000);
		model_pass(model, 20);
		assert_true(model_edit(model, 10, 20));
		model_pass(model, 10);
		model_read = model;
		meanwhile = model_reuse;
		/* All of it was acknowledged, or it would not have been deleted. */
		if (out >= 40)
			assert_int_equal(input(model, out, SEQADJ_ACKNOWLEDGED), out - 10);
		else
			assert_true((__s32)(30 - input(model, out, SEQADJ_ACKNOWLEDGED)) > 0);
		assert_int_equal(meanwhile == NULL, out < 40);
		meanwhile = NULL;
	}
	free(model);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_edits),
		cmocka_unit_test(around_the_wrap),
		cmocka_unit_test(without_edits),
		cmocka_unit_test(receiver_unheard),
		cmocka_unit_test(an_edit_waits_for_its_last_byte),
		cmocka_unit_test(edits_without_end),
		cmocka_unit_test(forgotten_without_end),
		cmocka_unit_test(acknowledged_too_much),
		cmocka_unit_test(deleted_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
