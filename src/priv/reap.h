/*
 * Ending a child that ran foreign code, and whatever that code started.
 */
#ifndef POPLAR_PRIV_REAP_H
#define POPLAR_PRIV_REAP_H

#include <sys/types.h>

/*
 * Kills and reaps a child and its process group, then every other child of
 * the caller except keep (0 or -1: none), until none is left: a subreaper
 * inherits what its descendants leave behind. Gives up, with an error logged,
 * after two seconds. process is a pidfd of the child's, to wait on, or -1.
 * Returns the child's wait status, or -1 if it could not be reaped.
 */
int reap_all(pid_t child, int process, pid_t keep);

#endif
