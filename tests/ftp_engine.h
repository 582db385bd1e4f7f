/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The FTP engine as its native tests and fuzzers call it: lines from strings,
 * addresses by the C library, edits applied. It knows no test.
 */
#ifndef FTPFIX_FTP_ENGINE_H
#define FTPFIX_FTP_ENGINE_H

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "port_choice.h"

/* An address by the C library; IPv4 mapped. None for a text that is none. */
static inline struct ftpfix_addr addr_of(const char *text)
{
	struct ftpfix_addr addr = {};
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		addr.be_word[2] = htonl(0xffff);
		addr.be_word[3] = ipv4.s_addr;
	} else {
		inet_pton(AF_INET6, text, &addr);
	}
	return addr;
}

static inline int addr_equal(const struct ftpfix_addr *one, const struct ftpfix_addr *other)
{
	return !memcmp(one, other, sizeof(*one));
}

static inline int addr_is_ipv4(const struct ftpfix_addr *addr)
{
	return !addr->be_word[0] && !addr->be_word[1] && addr->be_word[2] == htonl(0xffff);
}

/* Fills an announcement as the dataplane does: the line's bytes, up to the bound. */
static inline struct ftp_announcement announcement_of(enum ftp_kind kind, const char *text,
						      __u32 complete)
{
	struct ftp_announcement line = {.kind = kind, .complete = complete};
	size_t length = strlen(text);

	line.length = length < FTPFIX_LINE_MAX ? length : FTPFIX_LINE_MAX;
	memcpy(line.text, text, line.length);
	return line;
}

/* Writes the line with the edit in it, and a zero byte, into result. */
static inline void edit_apply(const char *text, const struct ftp_edit *edit, char *result)
{
	memcpy(result, text, edit->offset);
	memcpy(result + edit->offset, edit->text, edit->length);
	strcpy(result + edit->offset + edit->length, text + edit->offset + edit->removed);
}

#endif /* FTPFIX_FTP_ENGINE_H */
