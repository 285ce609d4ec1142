/*
 * The queue of recoveries. Runs as root, in the listener.
 */
#include "recoveries.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "fork.h"
#include "log.h"
#include "opening.h"

struct recovery {
	STAILQ_ENTRY(recovery) link;
	char *state_name;
	pid_t pid; /* once it runs */
	uint64_t since;
};

static void
recovery_free(struct recovery *recovery)
{
	if (recovery != NULL)
		free(recovery->state_name);
	free(recovery);
}

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
		recovery_free(recovery);
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

int
recoveries_add_all(struct recoveries *recoveries, const struct config *config)
{
	const int looked = state_each_pending(config, add_one, recoveries);

	if (looked == -1)
		log_error("cannot look for interrupted updates in %s: %s",
		    config->server.state_dir, strerror(errno));
	if (recoveries->waiting > 0)
		log_info("%zu maildrops to recover", recoveries->waiting);
	return looked;
}

/* A place to run in; NULL: all are taken. */
static struct recovery **
free_place(struct recoveries *recoveries)
{
	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		if (recoveries->running[i] == NULL)
			return &recoveries->running[i];
	}
	return NULL;
}

/* Once, until it can be forked again. */
static void
complain(struct recoveries *recoveries)
{
	if (!recoveries->complained)
		log_error("cannot start a recovery: %s; %zu maildrops wait for one",
		    strerror(errno), recoveries->waiting);
	recoveries->complained = true;
}

void
recoveries_start(struct recoveries *recoveries,
    void (*become)(const char *state_name, void *ctx), void *ctx)
{
	struct recovery *next, **place;
	pid_t pid;

	while ((next = STAILQ_FIRST(&recoveries->queue)) != NULL &&
	       (place = free_place(recoveries)) != NULL) {
		pid = fork_alone();
		if (pid == 0)
			become(next->state_name, ctx);
		if (pid == -1) {
			complain(recoveries);
			return;
		}
		recoveries->complained = false;
		next->pid = pid;
		next->since = clock_now();
		*place = next;
		STAILQ_REMOVE_HEAD(&recoveries->queue, link);
		recoveries->waiting--;
	}
}

static void
leave(struct recovery **place)
{
	recovery_free(*place);
	*place = NULL;
}

void
recoveries_end_hung(struct recoveries *recoveries, uint64_t limit_ms)
{
	const uint64_t now = clock_now();

	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		const struct recovery *one = recoveries->running[i];

		if (one == NULL || now <= one->since + limit_ms)
			continue;
		log_error("recovery of %s: not finished after %llu s; killed",
		    one->state_name, (unsigned long long)(limit_ms / 1000));
		(void)kill(one->pid, SIGKILL);
		recoveries->failed++;
		leave(&recoveries->running[i]);
	}
}

bool
recoveries_reaped(struct recoveries *recoveries, pid_t pid, int status)
{
	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		if (recoveries->running[i] == NULL ||
		    recoveries->running[i]->pid != pid)
			continue;
		leave(&recoveries->running[i]);
		recoveries->failed += !WIFEXITED(status) ||
		                      WEXITSTATUS(status) != 0;
		return true;
	}
	return false;
}
