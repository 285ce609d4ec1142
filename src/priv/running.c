/*
 * A running monitor: what every part of it does with what it holds. Runs as
 * root.
 */
#include "running.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

void
monitor_enter(struct monitor *monitor, enum phase phase, enum row_phase row_phase)
{
	struct row *row = monitor->setup->row;

	monitor->phase = phase;
	if (row == NULL)
		return;
	row->login_since = clock_now();
	row->phase = row_phase;
}

/* Tells the session to end; it does, but not in the middle of UPDATE. */
static void
pass_stop(struct monitor *monitor, enum ipc_end_reason reason)
{
	const struct ipc_plain plain = {.type = IPC_STOP, .value = reason};

	if (monitor->stop != 0)
		return;
	monitor->stop = reason;
	(void)ipc_send(monitor->pair, &plain, sizeof(plain), NULL, 0);
}

/* What a monitor waits for: what was asked for, and what may come besides. */
enum { ASKED, SESSION, KICK, LIFE, AWAITED };

/* Passes on what came besides. */
static void
take_besides(struct monitor *monitor, struct pollfd fds[AWAITED])
{
	struct signalfd_siginfo kick;

	if (fds[KICK].revents != 0 &&
	    read(monitor->signals, &kick, sizeof(kick)) == sizeof(kick))
		pass_stop(monitor, IPC_END_KICKED);
	if (fds[LIFE].revents != 0) {
		fds[LIFE].fd = monitor->life = -1;
		pass_stop(monitor, IPC_END_SHUTDOWN);
	}
}

enum wake
monitor_await(struct monitor *monitor, int fd, uint64_t deadline)
{
	const bool for_pair = fd == monitor->pair && fd != -1;
	/* of the session, where it is not asked for, its end alone */
	/* clang-format off */
	struct pollfd fds[AWAITED] = {
	    [ASKED] = {.fd = fd, .events = POLLIN},
	    [SESSION] = {.fd = for_pair ? -1 : monitor->pair},
	    [KICK] = {.fd = monitor->signals, .events = POLLIN},
	    [LIFE] = {.fd = monitor->life, .events = POLLIN},
	};
	/* clang-format on */
	int n;

	while (for_pair || monitor->stop == 0) {
		n = poll(fds, AWAITED, clock_poll_timeout(deadline));
		if (n == -1 && errno != EINTR)
			break;
		if (n == 0 && deadline != 0 && clock_now() >= deadline)
			return WAKE_LATE;
		if (n <= 0)
			continue;
		take_besides(monitor, fds);
		if (fds[ASKED].revents != 0)
			return WAKE_READY;
		if (for_pair)
			return WAKE_LATE;
		if (fds[SESSION].revents != 0)
			break;
	}
	return WAKE_STOP;
}

bool
monitor_pending(const struct monitor *monitor)
{
	const struct md_fds *fds = &monitor->opening.fds;
	struct stat st;

	return monitor->opened && fds->journal != -1 &&
	       fstat(fds->journal, &st) == 0 && st.st_size > 0;
}

void
monitor_let_go(struct monitor *monitor)
{
	if (!monitor->opened)
		return;
	monitor->opened = false;
	opening_close(&monitor->opening);
	if (monitor->setup->row != NULL)
		monitor->setup->row->state[0] = '\0';
}
