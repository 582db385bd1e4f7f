/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the process may do. This header knows nothing of what it wants to do.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

/* Prints which capability is missing, if one is. 0 or -EPERM. */
int privilege_check(void);

/* Gives up every capability that serving and detaching do not take. */
int privilege_drop(void);

/* Gives up every capability there is. 0 or a negative errno, nothing printed. */
int privilege_drop_all(void);

#endif /* PRIVILEGE_H */
