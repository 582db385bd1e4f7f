/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Notes, where packets enter the node, who announced what, and finds the note again
 * where the announcement leaves it: by its sequence number where the control
 * connection was only translated, by its content where a proxy speaks in between.
 * It changes no packet.
 */
#ifndef FTPFIX_SEEN_H
#define FTPFIX_SEEN_H

#include "scratch.h"
#include "session_table.h"

/* Whether a note made then is too old to be taken. Until then nobody else may announce the same
 * thing by its content: a proxy that stands still would tell one client of the other's server.
 * Who has to wait comes again, as TCP does, for longer than that. */
static __always_inline int seen_stale(__u64 at_ns)
{
	return elapsed_ns(bpf_ktime_get_ns(), at_ns) > FTPFIX_SEEN_NS;
}

static __always_inline int seen_command(const struct ftp_announcement *line)
{
	return line->kind != FTP_227 && line->kind != FTP_229;
}

static __always_inline void seen_content_key(struct ftpfix_seen_key *key,
					     const struct ftp_announcement *line)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->addr = line->addr;
	key->port = line->host_port;
	key->command = seen_command(line);
}

static __always_inline void seen_sequence_key(struct ftpfix_seen_key *key,
					      const struct ftp_announcement *line, __u32 sequence)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->sequence = sequence;
	key->port = line->host_port;
	key->by_sequence = 1;
	key->command = seen_command(line);
}

/* How often a note is looked for that others replace meanwhile. */
#define SEEN_TRIES 3

/*
 * Copies a note, if there is one. The memory of a note that goes is another's at once: so the
 * copy counts only when the note still stands where it was found, for none that stands is
 * written. Returns 0 or -ENOENT.
 */
static __always_inline int seen_read(const struct ftpfix_seen_key *key, struct ftpfix_seen *note)
{
	const struct ftpfix_seen *found = bpf_map_lookup_elem(&seen, key), *again;

	for (int try = 0; try < SEEN_TRIES; try++) {
		if (!found)
			return -ENOENT;
		*note = *found;
		again = bpf_map_lookup_elem(&seen, key);
		if (again == found)
			return 0;
		found = again;
	}
	return -ENOENT;
}

/*
 * Makes the note of an announcement's content; one that is there already is read into *other.
 * The insertion decides between two CPUs that note two servers at once. Returns 0, or -EBUSY
 * when another one's same announcement is on its way.
 */
static __always_inline int seen_note_content(const struct ftpfix_seen_key *key,
					     const struct ftpfix_seen *note,
					     struct ftpfix_seen *other)
{
	if (!bpf_map_update_elem(&seen, key, note, BPF_NOEXIST))
		return 0;
	if (seen_read(key, other))
		return -EBUSY;
	if (address_equal(&other->tuple.source, &note->tuple.source)) {
		bpf_map_update_elem(&seen, key, note, BPF_EXIST);
		return 0;
	}
	/* Of several that find it stale, one takes its place. */
	if (!seen_stale(other->at_ns) || bpf_map_delete_elem(&seen, key) ||
	    bpf_map_update_elem(&seen, key, note, BPF_NOEXIST))
		return -EBUSY;
	return 0;
}

static __always_inline void seen_fill(struct ftpfix_seen *note, const struct crossing *crossing)
{
	note->tuple = crossing->tuple;
	note->ifindex = crossing->ifindex;
	note->at_ns = bpf_ktime_get_ns();
}

/*
 * Notes the announcement in scratch->line, of scratch->crossing. Returns 0, or -EBUSY
 * when the packet must be held back, for where it leaves the node two announcers could
 * not be told apart. They can where sequence numbers tell them; and a HOST says the same
 * whoever says it.
 */
__global int seen_note(void)
{
	struct scratch *scratch = scratch_memory();
	const struct ftp_announcement *line;
	struct ftpfix_session *session;
	struct ftpfix_seen *note;
	struct ftpfix_seen_key key;

	if (!scratch)
		return -EBUSY;
	line = &scratch->line;
	note = &scratch->note;
	seen_fill(note, &scratch->crossing);
	session = session_find(&scratch->crossing.key);
	if (!session || !session->translated) {
		seen_content_key(&key, line);
		if (line->kind == FTP_HOST)
			bpf_map_update_elem(&seen, &key, note, BPF_ANY);
		else if (seen_note_content(&key, note, &scratch->other_note))
			return -EBUSY;
	}
	seen_sequence_key(&key, line, scratch->crossing.out_sequence);
	bpf_map_update_elem(&seen, &key, note, BPF_ANY);
	return 0;
}

/* The key of a session's first reply. */
static __always_inline void seen_first_key(struct ftpfix_seen_key *key, __u32 sequence)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->sequence = sequence;
	key->by_sequence = 1;
}

/* Notes the first line of a server that comes in. Returns 0. */
__global int seen_note_first(void)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_seen_key key;

	if (!scratch)
		return 0;
	seen_fill(&scratch->note, &scratch->crossing);
	seen_first_key(&key, scratch->crossing.out_sequence);
	bpf_map_update_elem(&seen, &key, &scratch->note, BPF_ANY);
	return 0;
}

/* Looks whether the first line that leaves to a client is one that came in with the same
 * sequence number: then the session inside needs no other way to be told. Returns 0. */
__global int seen_take_first(void)
{
	struct scratch *scratch = scratch_memory();
	struct ftpfix_session_key *inside;
	struct ftpfix_session *session;
	struct ftpfix_seen_key key;
	struct ftpfix_seen *note;

	if (!scratch)
		return 0;
	note = &scratch->note;
	seen_first_key(&key, scratch->crossing.in_sequence);
	if (seen_read(&key, note) || seen_stale(note->at_ns))
		return 0;
	inside = &scratch->inside;
	__builtin_memset(inside, 0, sizeof(*inside));
	tuple_turn(&inside->tuple, &note->tuple);
	inside->side = FTPFIX_SIDE_INSIDE;
	bpf_map_delete_elem(&seen, &key);
	session = session_find(inside);
	if (session)
		session->translated = 1;
	return 0;
}

/*
 * Takes the note of the announcement in `line`, whose first byte has this sequence
 * number where it leaves the node. Returns 0 and fills *note, or -ENOENT.
 */
__global int seen_take(const struct ftp_announcement *line, __u32 sequence,
		       struct ftpfix_seen *note)
{
	struct ftpfix_seen_key by_sequence, by_content;
	struct scratch *scratch = scratch_memory();

	if (!scratch || !line || !note)
		return -ENOENT;
	seen_sequence_key(&by_sequence, line, sequence);
	seen_content_key(&by_content, line);
	if (seen_read(&by_sequence, note) && seen_read(&by_content, note))
		return -ENOENT;
	if (seen_stale(note->at_ns))
		return -ENOENT;
	bpf_map_delete_elem(&seen, &by_sequence);
	if (line->kind != FTP_HOST && !seen_read(&by_content, &scratch->other_note) &&
	    address_equal(&scratch->other_note.tuple.source, &note->tuple.source))
		bpf_map_delete_elem(&seen, &by_content);
	return 0;
}

#endif /* FTPFIX_SEEN_H */
