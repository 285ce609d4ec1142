/*
 * Lets a session begin at start that serves nobody. Runs as root, in what will
 * be the listener. Without it a daemon that lacks a capability would say that it
 * is ready, and lose every client.
 */
#include "trial.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fork.h"
#include "ipc.h"
#include "log.h"
#include "session.h"

/* Opening a maildrop asks there what its folder's path is. */
static int
try_proc(void)
{
	if (access("/proc/self/fd", X_OK) == 0)
		return 0;
	log_error("/proc/self/fd: %s; mount proc(5) there", strerror(errno));
	return -1;
}

/* Until it has entered, or failed and said why. */
static bool
has_entered(int pair)
{
	char octet;
	ssize_t n;

	do
		n = read(pair, &octet, 1);
	while (n == -1 && errno == EINTR);
	return n == 1;
}

/* A session that breaks the rules is killed, though it is another user's. */
static bool
can_end(pid_t child)
{
	if (kill(child, 0) == 0)
		return true;
	log_error("sessions cannot be ended, which needs CAP_KILL: %s",
	    strerror(errno));
	return false;
}

static int
try_session(const struct sandbox *sandbox)
{
	const pid_t parent = getpid();
	bool good;
	int pair[2], status = 0;
	pid_t child;

	if (ipc_pair(pair) == -1 || (child = fork_alone()) == -1) {
		log_error("cannot try a session: %s", strerror(errno));
		return -1;
	}
	if (child == 0) {
		close(pair[0]);
		session_try(sandbox, pair[1], parent);
	}
	close(pair[1]);
	good = has_entered(pair[0]) && can_end(child);
	close(pair[0]);
	while (waitpid(child, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		log_error("sessions cannot enter their sandbox: signal %d",
		    WTERMSIG(status));
	return good && status == 0 ? 0 : -1;
}

int
trial_run(const struct sandbox *sandbox)
{
	return try_proc() == -1 ? -1 : try_session(sandbox);
}
