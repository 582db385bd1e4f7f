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

#include "ftp_engine.h"

#endif /* FTPFIX_UNIT_H */
