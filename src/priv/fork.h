/*
 * The fork of a process that has one thread.
 */
#ifndef POPLAR_PRIV_FORK_H
#define POPLAR_PRIV_FORK_H

#include <sys/types.h>

/* As fork(2). */
pid_t fork_alone(void);

/*
 * For a process that goes on where its parent ends: libcrypto's random numbers
 * begin anew in it. Else a later process that is given the parent's pid takes
 * those that began there for its own, and every such process draws the same.
 * 0, or -1 with errno.
 */
int fork_renew_random(void);

#endif
