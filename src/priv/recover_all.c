/*
 * `poplard --recover`: finishes every interrupted UPDATE and ends, for a boot
 * script that runs before the mail system delivers. Runs as root.
 */
#include <errno.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "monitor.h"
#include "recoveries.h"
#include "server.h"
#include "service.h"

static _Noreturn void
become_recovery(const char *state_name, void *ctx)
{
	_exit(monitor_recover(ctx, state_name));
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
	size_t all, left;
	pid_t pid;
	int status, looked;

	if (service_folders(config) == -1)
		return EX_CANTCREAT;
	recoveries_init(&recoveries);
	looked = recoveries_add_all(&recoveries, config);
	all = recoveries.waiting;
	for (;;) {
		recoveries_start(&recoveries, become_recovery, &setup);
		pid = wait(&status);
		if (pid == -1 && errno != EINTR)
			break;
		(void)recoveries_reaped(&recoveries, pid, status);
	}
	left = recoveries.failed + recoveries.waiting;
	log_info("%zu of %zu maildrops recovered", all - left, all);
	return looked == 0 && left == 0 ? EX_OK : EX_TEMPFAIL;
}
