/*
 * The queue of recoveries. Runs as root, in the listener.
 */
#include "recoveries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fork.h"
#include "log.h"
#include "opening.h"

struct recovery {
	STAILQ_ENTRY(recovery) link;
	char *state_name;
};

void
recoveries_init(struct recoveries *recoveries)
{
	memset(recoveries, 0, sizeof(*recoveries));
	STAILQ_INIT(&recoveries->queue);
}

void
recoveries_add(struct recoveries *recoveries, const char *state_name)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));

	if (recovery == NULL ||
	    (recovery->state_name = strdup(state_name)) == NULL) {
		log_error("no memory to recover %s now; its next login does",
		    state_name);
		free(recovery);
		return;
	}
	STAILQ_INSERT_TAIL(&recoveries->queue, recovery, link);
	recoveries->waiting++;
}

static void
add_one(const char *state_name, void *ctx)
{
	recoveries_add(ctx, state_name);
}

void
recoveries_add_all(struct recoveries *recoveries, const struct config *config)
{
	if (state_each_pending(config, add_one, recoveries) == -1)
		log_error("cannot look for interrupted updates in %s: %s",
		    config->server.state_dir, strerror(errno));
	if (recoveries->waiting > 0)
		log_info("%zu maildrops to recover", recoveries->waiting);
}

/* A place for a process id; NULL: all are taken. */
static pid_t *
free_place(struct recoveries *recoveries)
{
	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		if (recoveries->running[i] == 0)
			return &recoveries->running[i];
	}
	return NULL;
}

void
recoveries_start(struct recoveries *recoveries,
    void (*become)(const char *state_name, void *ctx), void *ctx)
{
	struct recovery *next;
	pid_t *place;

	while ((next = STAILQ_FIRST(&recoveries->queue)) != NULL &&
	       (place = free_place(recoveries)) != NULL) {
		STAILQ_REMOVE_HEAD(&recoveries->queue, link);
		recoveries->waiting--;
		*place = fork_alone();
		if (*place == 0)
			become(next->state_name, ctx);
		if (*place == -1) {
			log_error("cannot start a recovery: %s", strerror(errno));
			recoveries->failed++;
			*place = 0;
		}
		free(next->state_name);
		free(next);
	}
}

bool
recoveries_reaped(struct recoveries *recoveries, pid_t pid, int status)
{
	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		if (recoveries->running[i] != pid)
			continue;
		recoveries->running[i] = 0;
		recoveries->failed += !WIFEXITED(status) ||
		                      WEXITSTATUS(status) != 0;
		return true;
	}
	return false;
}
