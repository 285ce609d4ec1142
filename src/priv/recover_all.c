/*
 * `poplard --recover`: finishes every interrupted UPDATE and ends, for a boot
 * script that runs before the mail system delivers. Runs as root.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "monitor.h"
#include "recoveries.h"
#include "server.h"
#include "service.h"

/* Fills the free places. */
static void
start_some(struct recoveries *recoveries, const struct monitor_setup *setup)
{
	char *state_name;
	pid_t *place;

	while ((state_name = recoveries_next(recoveries, &place)) != NULL) {
		*place = fork();
		if (*place == 0)
			_exit(monitor_recover(setup, state_name));
		if (*place == -1) {
			log_error("cannot start a recovery: %s", strerror(errno));
			recoveries->failed++;
			*place = 0;
		}
		free(state_name);
	}
}

int
recover_run(const struct config *config, const struct sandbox *sandbox)
{
	struct monitor_setup setup = {.config = config,
	    .sandbox = sandbox,
	    .client_in = -1,
	    .client_out = -1,
	    .life = -1,
	    .address = "recovery"};
	struct recoveries recoveries;
	size_t all;
	pid_t pid;
	int status;

	if (service_folders(config) == -1)
		return EX_CANTCREAT;
	recoveries_init(&recoveries);
	recoveries_add_all(&recoveries, config);
	all = recoveries.waiting;
	for (;;) {
		start_some(&recoveries, &setup);
		pid = wait(&status);
		if (pid == -1 && errno != EINTR)
			break;
		(void)recoveries_reaped(&recoveries, pid, status);
	}
	log_info("%zu of %zu maildrops recovered", all - recoveries.failed, all);
	return recoveries.failed == 0 ? EX_OK : EX_TEMPFAIL;
}
