/*
 * Entering the sandbox that sandbox_prepare() of session.h made ready.
 */
#ifndef POPLAR_SESSION_SANDBOX_H
#define POPLAR_SESSION_SANDBOX_H

#include <sys/types.h>

#include "session.h"

/* The second also for the check of a certificate, which needs less still. */
enum sandbox_role { SANDBOX_SERVE, SANDBOX_RECOVER };

/*
 * Gives up everything, in an order that leaves no step undone: limits, root
 * folder, groups and user, then proof that none comes back, then no dump, the
 * death with the monitor, no_new_privs, no writable code, Landlock, seccomp.
 * NULL, or words for the step that failed, with errno where that tells why: then
 * the process must end without reading a byte.
 */
const char *sandbox_enter(const struct sandbox *sandbox, enum sandbox_role role,
    pid_t monitor);

#endif
