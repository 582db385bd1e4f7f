/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text by words of eight bytes, for a loop over bytes costs more than all that is done with
 * them. The first byte of a text is the lowest one of its word, on every machine. Pure C; it
 * does not know what a text says.
 */
#ifndef FTPFIX_WORD_H
#define FTPFIX_WORD_H

#include <linux/types.h>

#define WORD_BYTES 8

/* The same byte, or bit, in each of the eight. */
#define WORD_ALL(byte) (0x0101010101010101ULL * (byte))

#define WORD_LOW WORD_ALL(0x7f)

#ifdef __bpf__

typedef __u64 __attribute__((may_alias)) word_text;

/* Both by one instruction, wherever the text begins: the kernels of the machines that ftpfix is
 * for allow that in memory of maps. */
static inline __u64 word_bytes(const char *text)
{
	return *(const word_text *)text;
}

static inline void word_set_bytes(char *text, __u64 word)
{
	*(word_text *)text = word;
}

#else

static inline __u64 word_bytes(const char *text)
{
	__u64 word;

	__builtin_memcpy(&word, text, sizeof(word));
	return word;
}

static inline void word_set_bytes(char *text, __u64 word)
{
	__builtin_memcpy(text, &word, sizeof(word));
}

#endif

static inline __u64 word_ordered(__u64 word)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

static inline __u64 word_load(const char *text)
{
	return word_ordered(word_bytes(text));
}

static inline void word_store(char *text, __u64 word)
{
	word_set_bytes(text, word_ordered(word));
}

/* Marks are the highest bit of each byte that is meant. These two mark the bytes that are this
 * one, and those that are decimal digits; no byte carries into the next. */
static inline __u64 word_mark(__u64 word, __u8 byte)
{
	word ^= WORD_ALL(byte);
	return ~(((word & WORD_LOW) + WORD_LOW) | word | WORD_LOW);
}

static inline __u64 word_mark_digits(__u64 word)
{
	word ^= WORD_ALL('0');
	return ~(((word & WORD_LOW) + WORD_ALL(0x7f - 9)) | word | WORD_LOW);
}

/* How many bytes stand in front of the first mark; all eight where there is none. */
static inline __u32 word_before(__u64 marks)
{
	__u64 bit = marks >> 7;

	bit &= -bit;
	return ((bit - 1) & WORD_ALL(1)) * WORD_ALL(1) >> 56;
}

/* The first `count` bytes, 1 to 8; the others become zero. */
static inline __u64 word_first(__u64 word, __u32 count)
{
	__u32 rest = (WORD_BYTES - count) * 8;

	return word << rest >> rest;
}

#endif /* FTPFIX_WORD_H */
