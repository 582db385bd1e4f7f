/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the fuzzers share. Their inputs are plain text, as it goes over the wire;
 * what else they need to choose comes from numbers that the text itself seeds.
 */
#ifndef FTPFIX_FUZZ_H
#define FTPFIX_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A property that must hold. */
#define require(property)                                                                      \
	do {                                                                                   \
		if (!(property)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #property); \
			abort();                                                               \
		}                                                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t fuzz_state;

/* FNV-1a, of the whole input. */
static inline void fuzz_seed(const uint8_t *data, size_t size)
{
	fuzz_state = 0xcbf29ce484222325;
	for (size_t at = 0; at < size; at++)
		fuzz_state = (fuzz_state ^ data[at]) * 0x100000001b3;
}

static inline uint32_t fuzz_random(void)
{
	fuzz_state = fuzz_state * 6364136223846793005 + 1442695040888963407;
	return fuzz_state >> 33;
}

#endif /* FTPFIX_FUZZ_H */
