/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Notes, where a server's packets enter the node, which server announced what,
 * and finds the note again when the announcement leaves on the uplink: by its
 * sequence number where the control connection was only translated, by its
 * content where a proxy speaks in between. It changes no packet.
 */
#ifndef FTPFIX_SEEN_H
#define FTPFIX_SEEN_H

#include "counter.h"
#include "segment.h"

/* How long a note keeps another server from announcing the same thing: longer
 * than a proxy takes, and a server's retransmission outlasts it. */
#define SEEN_CONTENDED_NS FTPFIX_SECOND_NS

static __always_inline void seen_content_key(struct ftpfix_seen_key *key,
					     const struct ftp_announcement *line)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (line->code == FTP_CODE_227)
		key->addr = address_v4(bpf_htonl(line->host_address));
	key->port = line->host_port;
}

static __always_inline void seen_sequence_key(struct ftpfix_seen_key *key,
					      const struct ftp_announcement *line, __u32 sequence)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->sequence = sequence;
	key->port = line->host_port;
	key->by_sequence = 1;
}

/*
 * Makes the note of an announcement's content. The insertion decides between two
 * CPUs that note two servers at once. Returns 0, or -EBUSY when another server's
 * same announcement is on its way.
 */
static __always_inline int seen_note_content(const struct ftpfix_seen_key *key,
					     const struct ftpfix_seen *note)
{
	struct ftpfix_seen *other;

	if (!bpf_map_update_elem(&seen, key, note, BPF_NOEXIST))
		return 0;
	other = bpf_map_lookup_elem(&seen, key);
	if (!other)
		return -EBUSY;
	if (address_equal(&other->server, &note->server)) {
		bpf_map_update_elem(&seen, key, note, BPF_EXIST);
		return 0;
	}
	/* Of several that find it stale, one takes its place. */
	if (elapsed_ns(note->at_ns, other->at_ns) < SEEN_CONTENDED_NS ||
	    bpf_map_delete_elem(&seen, key) || bpf_map_update_elem(&seen, key, note, BPF_NOEXIST))
		return -EBUSY;
	return 0;
}

/* Notes the announcement in scratch->line. Returns 0, or -EBUSY when the packet
 * must be held back, for its uplink could not tell two servers apart. */
static __noinline int seen_note(struct segment *segment)
{
	const struct ftp_announcement *line = &segment->scratch->line;
	const struct packet *packet = segment->packet;
	struct ftpfix_seen note = {
		.server = packet->tuple.source,
		.peer = packet->tuple.destination,
		.at_ns = bpf_ktime_get_ns(),
		.ifindex = segment->skb->ifindex,
	};
	struct ftpfix_seen_key key;

	seen_content_key(&key, line);
	if (seen_note_content(&key, &note))
		return -EBUSY;
	seen_sequence_key(&key, line, packet->host_sequence + segment->line_start);
	bpf_map_update_elem(&seen, &key, &note, BPF_ANY);
	return 0;
}

static long seen_step(__u32 index, void *context)
{
	struct segment *segment = context;
	struct ftpfix_scan *scan = &segment->scratch->scan;
	int step = segment_step(segment);
	__u32 code = ftp_scan_announcement(scan);

	(void)index;
	if (code && !segment->line_begun && step != SEGMENT_MORE &&
	    !segment_read(segment, code, step == SEGMENT_LINE) && seen_note(segment)) {
		segment->dropped = 1;
		return 1;
	}
	if (step == SEGMENT_LINE) {
		ftp_scan_reply_done(scan);
		segment_next_line(segment);
	}
	return step == SEGMENT_END;
}

/*
 * Looks through a packet that a server's control port sent. Returns 0, or -EBUSY
 * when it must be held back: see seen_note().
 */
static __noinline int seen_observe(struct __sk_buff *skb, const struct packet *packet)
{
	struct segment segment = {.skb = skb, .packet = packet, .scratch = scratch_memory()};

	if (!segment.scratch || !packet->payload_length)
		return 0;
	/* The connection that follows could not be sent back into the VLAN. */
	if (packet->tagged) {
		count(FTPFIX_PACKET_VLAN);
		return 0;
	}
	/* Every segment is taken to start a line: what is no announcement is
	 * never asked for on the uplink. */
	__builtin_memset(&segment.scratch->scan, 0, sizeof(segment.scratch->scan));
	segment_begin(&segment, 0);
	bpf_loop(SEGMENT_ROUNDS_MAX, seen_step, &segment, 0);
	return segment.dropped ? -EBUSY : 0;
}

/*
 * Takes the note of the announcement in `line`, whose first byte has this
 * sequence number on the uplink. Returns 0 and fills *note, or -ENOENT.
 */
__global int seen_take(const struct ftp_announcement *line, __u32 sequence,
		       struct ftpfix_seen *note)
{
	struct ftpfix_seen_key by_sequence, by_content;
	struct ftpfix_seen *found, *other;
	__u64 now = bpf_ktime_get_ns();

	if (!line || !note)
		return -ENOENT;
	seen_sequence_key(&by_sequence, line, sequence);
	seen_content_key(&by_content, line);
	found = bpf_map_lookup_elem(&seen, &by_sequence);
	other = bpf_map_lookup_elem(&seen, &by_content);
	if (!found)
		found = other;
	if (!found || elapsed_ns(now, found->at_ns) > FTPFIX_SEEN_NS)
		return -ENOENT;
	*note = *found;
	bpf_map_delete_elem(&seen, &by_sequence);
	if (other && address_equal(&other->server, &note->server))
		bpf_map_delete_elem(&seen, &by_content);
	return 0;
}

#endif /* FTPFIX_SEEN_H */
