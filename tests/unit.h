/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every native test of the FTP engine includes. It knows no test. */
#ifndef FTPFIX_UNIT_H
#define FTPFIX_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ftp_edit.h"

/* Fills an announcement as the dataplane does: the line's bytes, up to the bound. */
static inline struct ftp_announcement announcement_of(const char *text, __u32 complete)
{
	struct ftp_announcement line = {.complete = complete};
	size_t length = strlen(text);

	line.length = length < FTP_LINE_MAX ? length : FTP_LINE_MAX;
	memcpy(line.text, text, line.length);
	line.code = atoi(text);
	return line;
}

static inline __u32 address_of(__u8 one, __u8 two, __u8 three, __u8 four)
{
	return (__u32)one << 24 | two << 16 | three << 8 | four;
}

#endif /* FTPFIX_UNIT_H */
