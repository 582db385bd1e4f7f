/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether the running kernel has what the dataplane calls.
 * This header knows nothing of the programs themselves.
 */
#ifndef KERNEL_H
#define KERNEL_H

/* Prints every feature that is missing and the kernel that has it.
 * 0 or -EOPNOTSUPP. */
int kernel_check(void);

#endif /* KERNEL_H */
