/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The text of IPv6 addresses: read in every form of RFC 4291 section 2.2, and
 * measured for the one form of RFC 5952 in which it is written. Pure C; it does
 * not know what stands around an address.
 */
#ifndef FTPFIX_FTP_IPV6_H
#define FTPFIX_FTP_IPV6_H

#include "ftpfix.h"
#include "loop.h"

#define FTP_IPV6_GROUPS 8

/* The longest text: six groups and a dotted quad. */
#define FTP_IPV6_TEXT_MAX (sizeof("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") - 1)

/* What stands in front of the next byte. */
enum ftp_ipv6_before {
	FTP_IPV6_NOTHING,
	FTP_IPV6_FIRST_COLON, /* a colon in front of all: another must follow */
	FTP_IPV6_COLON,
	FTP_IPV6_TWO_COLONS,
	FTP_IPV6_DIGIT,
	FTP_IPV6_DOT,
};

/* The reader between two bytes. */
struct ftp_ipv6 {
	__u16 group[FTP_IPV6_GROUPS];
	__u32 groups; /* read so far */
	__u32 gap;    /* 1 + the groups in front of the two colons; 0: none yet */
	__u32 octets; /* of the dotted quad, read so far */
	__u32 quad;   /* their value */
	__u32 value;  /* of the current number, read as hexadecimal */
	__u32 digits; /* of the current number */
	__u32 before; /* enum ftp_ipv6_before */
};

static inline void ftp_ipv6_begin(struct ftp_ipv6 *text)
{
	__builtin_memset(text, 0, sizeof(*text));
}

/* The value of a hexadecimal digit, or 16. */
static inline __u32 ftp_hex(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return 16;
}

static inline int ftp_ipv6_group(struct ftp_ipv6 *text, __u32 value)
{
	if (text->groups >= FTP_IPV6_GROUPS)
		return -1;
	text->group[text->groups & (FTP_IPV6_GROUPS - 1)] = value;
	text->groups++;
	return 0;
}

/* The current number was an octet of a dotted quad, and its digits decimal.
 * Whether it would be octal with a zero in front has no agreed answer: refused. */
static inline int ftp_ipv6_octet(struct ftp_ipv6 *text)
{
	__u32 hundreds = text->value >> 8, tens = text->value >> 4 & 15, ones = text->value & 15;
	__u32 octet = hundreds * 100 + tens * 10 + ones;

	if (text->before != FTP_IPV6_DIGIT || text->digits > 3 || tens > 9 || ones > 9 ||
	    octet > 255 || text->octets > 3)
		return -1;
	if ((text->digits == 2 && octet < 10) || (text->digits == 3 && octet < 100))
		return -1;
	text->quad = text->quad << 8 | octet;
	text->octets++;
	text->value = 0;
	text->digits = 0;
	return 0;
}

static inline int ftp_ipv6_colon(struct ftp_ipv6 *text)
{
	if (text->octets)
		return -1;
	if (text->before == FTP_IPV6_NOTHING) {
		text->before = FTP_IPV6_FIRST_COLON;
		return 0;
	}
	if (text->before == FTP_IPV6_DIGIT) {
		text->before = FTP_IPV6_COLON;
		if (ftp_ipv6_group(text, text->value))
			return -1;
		text->value = 0;
		text->digits = 0;
		return 0;
	}
	if (text->before == FTP_IPV6_TWO_COLONS || text->gap)
		return -1;
	text->before = FTP_IPV6_TWO_COLONS;
	text->gap = text->groups + 1;
	return 0;
}

/* Reads one byte more. Returns 0, or -1 when no address goes on like this. */
static inline int ftp_ipv6_byte(struct ftp_ipv6 *text, char byte)
{
	__u32 digit = ftp_hex(byte);

	if (digit < 16) {
		if (text->before == FTP_IPV6_FIRST_COLON || text->digits >= 4)
			return -1;
		text->value = (text->value << 4 | digit) & 0xffff;
		text->digits++;
		text->before = FTP_IPV6_DIGIT;
		return 0;
	}
	if (byte == ':')
		return ftp_ipv6_colon(text);
	if (byte != '.' || ftp_ipv6_octet(text))
		return -1;
	text->before = FTP_IPV6_DOT;
	return 0;
}

/* The text is over. Returns 0, or -1 when it was no address. */
static inline int ftp_ipv6_end(struct ftp_ipv6 *text)
{
	if (text->octets) {
		if (ftp_ipv6_octet(text) || text->octets != 4 ||
		    ftp_ipv6_group(text, text->quad >> 16) ||
		    ftp_ipv6_group(text, text->quad & 0xffff))
			return -1;
	} else if (text->before == FTP_IPV6_DIGIT) {
		if (ftp_ipv6_group(text, text->value))
			return -1;
	} else if (text->before != FTP_IPV6_TWO_COLONS) {
		return -1;
	}
	/* Two colons stand for at least one group. */
	return text->gap ? text->groups >= FTP_IPV6_GROUPS : text->groups != FTP_IPV6_GROUPS;
}

struct ftp_ipv6_store {
	const struct ftp_ipv6 *text;
	struct ftpfix_addr *addr;
};

static inline long ftp_ipv6_store_group(__u32 index, void *context)
{
	struct ftp_ipv6_store *loop = context;
	const struct ftp_ipv6 *text = loop->text;
	__u8 *bytes = (__u8 *)loop->addr;
	__u32 missing = FTP_IPV6_GROUPS - text->groups;
	__u32 at = index & (FTP_IPV6_GROUPS - 1), from = at, group;

	if (text->gap && at >= text->gap - 1) {
		if (at < text->gap - 1 + missing)
			return 0;
		from = at - missing;
	}
	group = text->group[from & (FTP_IPV6_GROUPS - 1)];
	bytes[at * 2] = group >> 8;
	bytes[at * 2 + 1] = group;
	return 0;
}

/* Writes the address that was read, into one that is all zero. */
static inline void ftp_ipv6_store(const struct ftp_ipv6 *text, struct ftpfix_addr *addr)
{
	struct ftp_ipv6_store loop = {.text = text, .addr = addr};

	each(FTP_IPV6_GROUPS, ftp_ipv6_store_group, &loop);
}

/* A group of an address; any number may be given. */
static inline __u32 ftp_ipv6_group_of(const struct ftpfix_addr *addr, __u32 number)
{
	const __u8 *bytes = (const __u8 *)addr;
	__u32 at = (number & (FTP_IPV6_GROUPS - 1)) * 2;

	return (__u32)bytes[at] << 8 | bytes[at + 1];
}

/* How an address is written: RFC 5952 section 4. */
struct ftp_ipv6_form {
	const struct ftpfix_addr *addr;
	__u32 zeros; /* bit for each group: it is zero */
	__u32 run;   /* those that the two colons stand for */
	__u32 length;
};

static inline long ftp_ipv6_zero(__u32 index, void *context)
{
	struct ftp_ipv6_form *form = context;

	if (!ftp_ipv6_group_of(form->addr, index))
		form->zeros |= 1u << (index & (FTP_IPV6_GROUPS - 1));
	return 0;
}

/* The longest run of two zero groups or more, the first of several. */
static inline __u32 ftp_ipv6_run(__u32 zeros)
{
	__u32 starts = zeros & 0xff, run = 0;

	/* A bit of `starts` is where a run of `length` begins. */
	for (__u32 length = 2; length <= FTP_IPV6_GROUPS; length++) {
		starts &= zeros >> (length - 1);
		if (!starts)
			break;
		run = (starts & -starts) * ((1u << length) - 1);
	}
	return run & 0xff;
}

/* Whether the two colons begin at this group, or a lone one stands in front. */
static inline int ftp_ipv6_run_begins(__u32 run, __u32 group)
{
	return (run & ~(run << 1)) >> group & 1;
}

static inline int ftp_ipv6_colon_before(__u32 run, __u32 group)
{
	return (~(run | run << 1 | 1) >> group) & 1;
}

static inline long ftp_ipv6_measure_group(__u32 index, void *context)
{
	struct ftp_ipv6_form *form = context;
	__u32 number = index & (FTP_IPV6_GROUPS - 1);
	__u32 group = ftp_ipv6_group_of(form->addr, number);
	__u32 length = 0;

	if (ftp_ipv6_run_begins(form->run, number))
		length = 2;
	else if (!(form->run >> number & 1))
		length = ftp_ipv6_colon_before(form->run, number) + (group > 0xfff  ? 4
								     : group > 0xff ? 3
								     : group > 0xf  ? 2
										    : 1);
	form->length += length;
	return 0;
}

/* Fills the form of form->addr. */
static inline void ftp_ipv6_measure(struct ftp_ipv6_form *form)
{
	each(FTP_IPV6_GROUPS, ftp_ipv6_zero, form);
	form->run = ftp_ipv6_run(form->zeros);
	each(FTP_IPV6_GROUPS, ftp_ipv6_measure_group, form);
}

#endif /* FTPFIX_FTP_IPV6_H */
