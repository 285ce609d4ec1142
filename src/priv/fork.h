/*
 * The fork of a process that has one thread.
 */
#ifndef POPLAR_PRIV_FORK_H
#define POPLAR_PRIV_FORK_H

#include <sys/types.h>

/* As fork(2). */
pid_t fork_alone(void);

#endif
