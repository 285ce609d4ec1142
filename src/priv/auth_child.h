/*
 * The child of one attempt: short-lived, and the only process in which
 * secrets are compared and PAM's modules run.
 */
#ifndef POPLAR_PRIV_AUTH_CHILD_H
#define POPLAR_PRIV_AUTH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "auth.h"

/*
 * The caller of auth_begin() calls auth_end() no later than this after it: so
 * that a client hears of a hanging module within 30 s, its delay included.
 */
#define AUTH_LIMIT_MS 25000

struct auth_child {
	pid_t pid;
	int ready;   /* poll this: readable when there is a verdict, or no child */
	int pipe;    /* the verdict's */
	int process; /* a pidfd: a daemon of the child's may hold the pipe open */
	bool cut;    /* by the caller, who waits no more: no fault of a back end */
};

/*
 * Forks the child for one attempt, with nothing open but the verdict's pipe,
 * the log and /dev/null. The request is the caller's, who wipes it at once.
 * 0, or -1 with errno.
 */
int auth_begin(const struct config *config, const struct auth_request *request,
    struct auth_child *child);

/*
 * Reads the verdict (AUTH_TROUBLE unless exactly one valid struct is there),
 * then kills and reaps the child and all that was reparented to the caller,
 * except keep, which is the caller's session.
 */
void auth_end(struct auth_child *child, pid_t keep, struct auth_verdict *verdict);

#endif
