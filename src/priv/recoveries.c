/*
 * The queue of recoveries. Runs as root, in the listener.
 */
#include "recoveries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

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

char *
recoveries_next(struct recoveries *recoveries, pid_t **placep)
{
	struct recovery *recovery = STAILQ_FIRST(&recoveries->queue);
	char *name;

	*placep = NULL;
	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		if (recoveries->running[i] == 0)
			*placep = &recoveries->running[i];
	}
	if (recovery == NULL || *placep == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(&recoveries->queue, link);
	recoveries->waiting--;
	name = recovery->state_name;
	free(recovery);
	return name;
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
