/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The header with which a proxy says who its client is (HAProxy's PROXY protocol, versions 1
 * and 2), as bytes. Pure C; it sees no packets.
 */
#ifndef FTPFIX_PROXY_TEXT_H
#define FTPFIX_PROXY_TEXT_H

#include "ftp_edit.h"

/* The longest one, of version 1 and IPv6. */
#define PROXY_TEXT_MAX                                                       \
	(sizeof("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "        \
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n") - \
	 1)
_Static_assert(PROXY_TEXT_MAX <= FTPFIX_LINE_MAX, "a header is written like a line");

/* Version 2: where the addresses begin, and the address families (over TCP). */
#define PROXY_ADDRESSES 16
#define PROXY_TCP_IPV4 0x11
#define PROXY_TCP_IPV6 0x21

/* Four bytes, the highest first. No strings, for these would become a map of the object. */
static inline void proxy_put_word(struct ftp_edit *text, __u32 word)
{
	ftp_put(text, word >> 24);
	ftp_put(text, word >> 16);
	ftp_put(text, word >> 8);
	ftp_put(text, word);
}

static inline void proxy_put_port(struct ftp_edit *text, __be16 be_port)
{
	const __u8 *bytes = (const __u8 *)&be_port;

	ftp_put_number(text, bytes[0] << 8 | bytes[1], 1);
}

static inline void proxy_put_address(struct ftp_edit *text, const struct ftpfix_addr *addr)
{
	struct ftp_put_loop loop = {.edit = text, .addr = addr};
	struct ftp_ipv6_form form = {.addr = addr};

	if (!ftp_is_ipv4(addr)) {
		ftp_ipv6_measure(&form);
		loop.run = form.run;
	}
	ftp_put_address(&loop);
	ftp_put(text, ' ');
}

static inline void proxy_put_v1(struct ftp_edit *text, const struct ftpfix_tuple *tuple)
{
	proxy_put_word(text, 'PROX');
	proxy_put_word(text, 'Y TC');
	ftp_put(text, 'P');
	ftp_put(text, ftp_is_ipv4(&tuple->source) ? '4' : '6');
	ftp_put(text, ' ');
	proxy_put_address(text, &tuple->source);
	proxy_put_address(text, &tuple->destination);
	proxy_put_port(text, tuple->be_source_port);
	ftp_put(text, ' ');
	proxy_put_port(text, tuple->be_destination_port);
	ftp_put(text, '\r');
	ftp_put(text, '\n');
}

/* Addresses and ports stand in a tuple as they do here. */
static inline void proxy_put_v2(struct ftp_edit *text, const struct ftpfix_tuple *tuple)
{
	int ipv4 = ftp_is_ipv4(&tuple->source);
	__u32 length = ipv4 ? 2 * sizeof(__be32) + 2 * sizeof(__be16) : sizeof(*tuple);
	char *addresses = text->text + PROXY_ADDRESSES;

	proxy_put_word(text, 0x0d0a0d0a);
	proxy_put_word(text, 0x000d0a51);
	proxy_put_word(text, 0x5549540a);
	proxy_put_word(text, 0x21000000 | (ipv4 ? PROXY_TCP_IPV4 : PROXY_TCP_IPV6) << 16 | length);
	if (ipv4) {
		__builtin_memcpy(addresses, &tuple->source.be_word[3], sizeof(__be32));
		__builtin_memcpy(addresses + sizeof(__be32), &tuple->destination.be_word[3],
				 sizeof(__be32));
		__builtin_memcpy(addresses + 2 * sizeof(__be32), &tuple->be_source_port,
				 2 * sizeof(__be16));
	} else {
		__builtin_memcpy(addresses, tuple, sizeof(*tuple));
	}
	text->length += length;
}

/* Writes the header of a connection from a client to the address that it dialled: of version
 * 2, or else 1. Returns its length. */
__global int proxy_text(struct ftp_edit *text, const struct ftpfix_tuple *tuple, int version)
{
	if (!text || !tuple)
		return 0;
	text->length = 0;
	if (version == 2)
		proxy_put_v2(text, tuple);
	else
		proxy_put_v1(text, tuple);
	return text->length;
}

#endif /* FTPFIX_PROXY_TEXT_H */
