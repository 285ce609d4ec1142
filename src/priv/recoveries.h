/*
 * Recovery of maildrops that nobody has logged in to yet: at start all that a
 * crash left, later each whose monitor died. At most two at a time.
 */
#ifndef POPLAR_PRIV_RECOVERIES_H
#define POPLAR_PRIV_RECOVERIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "config.h"

#define RECOVERIES_AT_ONCE 2

struct recovery;

struct recoveries {
	STAILQ_HEAD(, recovery) queue;
	struct recovery *running[RECOVERIES_AT_ONCE]; /* NULL: free */
	size_t waiting, failed;
	bool complained; /* of no process to start one in */
};

/* Nothing queued, nothing running. */
void recoveries_init(struct recoveries *recoveries);

/*
 * Queues one state folder, by name. Lack of memory is logged: its next login
 * recovers.
 */
void recoveries_add(struct recoveries *recoveries, const char *state_name);

/* Queues every state folder with something left in it. 0, or -1: not all, logged. */
int recoveries_add_all(struct recoveries *recoveries, const struct config *config);

/*
 * Forks for as many from the queue as may run; each child calls a function,
 * which does not return. Where it cannot fork, which is logged, they wait for
 * the next call.
 */
void recoveries_start(struct recoveries *recoveries,
    void (*become)(const char *state_name, void *ctx), void *ctx);

/*
 * Kills those that take longer than a limit, for a file system hangs; others have
 * their places even where that waits for the file system too. Logged and counted.
 */
void recoveries_end_hung(struct recoveries *recoveries, uint64_t limit_ms);

/* Whether the process was a recovery; it is counted. */
bool recoveries_reaped(struct recoveries *recoveries, pid_t pid, int status);

#endif
