/*
 * The monitor's life: forks its session, answers its requests, outlives it,
 * repairs what it left. Runs as root (or as the caller, without root), with
 * every signal ignored that a person or a terminal could send, as the only
 * holder of privilege of its connection.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "certificates.h"
#include "clock.h"
#include "descriptors.h"
#include "fork.h"
#include "log.h"
#include "pages.h"
#include "peer.h"
#include "report.h"
#include "requests.h"
#include "signals.h"
#include "title.h"

/* The descriptors of a session: 0 to 2 are /dev/null. */
enum {
	FD_CLIENT_IN = 3,
	FD_CLIENT_OUT,
	FD_PAIR,
	FD_INDEX,
	FD_JOURNAL,
	FD_MBOX,
	FD_FREE
};

#define DOTLOCK_TOUCH_MS 60000
#define STOP_LIMIT_MS 5000 /* of a session that has no maildrop */

/* From the kernel: a generator of ours would be made anew, in each process. */
static uint64_t
chance(void)
{
	uint64_t bits;

	if (getentropy(&bits, sizeof(bits)) == -1)
		fatal(EX_OSERR, "no random numbers: %s", strerror(errno));
	return bits;
}

/*
 * RFC 1725 section 7: a msg-id, different for each greeting. Nobody foresees the
 * random part. Two numbers as in the example: Perl's Mail::Box takes no others,
 * and sends the secret as a password instead.
 */
static void
make_stamp(char *stamp, size_t size, const struct config *config)
{
	snprintf(stamp, size, "<%llu.%lld@%s>", (unsigned long long)chance(),
	    (long long)time(NULL), config->server.hostname);
}

/* In a child: what is the monitor's is no business of its. */
static void
forget_monitor(const struct monitor *monitor)
{
	(void)munmap((void *)(uintptr_t)monitor, sizeof(*monitor));
}

/* An id for people and the log; never 0, which the listener takes for none. */
static void
name_session(struct monitor *monitor)
{
	unsigned sid = (unsigned)chance();

	if (sid == 0)
		sid = 1;
	snprintf(monitor->sid, sizeof(monitor->sid), TABLE_SID, sid);
	if (monitor->setup->row != NULL)
		monitor->setup->row->sid = sid;
}

static void
start(struct monitor *monitor, const struct monitor_setup *setup)
{
	monitor->setup = setup;
	monitor->pair = -1;
	monitor->life = setup->life;
	strlcpy(monitor->address, setup->address, sizeof(monitor->address));
	monitor->started = clock_now();
	monitor_enter(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
	name_session(monitor);
	certificates_freshen(setup->tls);
	if (setup->apop)
		make_stamp(monitor->stamp, sizeof(monitor->stamp), setup->config);
	title_set("monitor");
	signals_ignore();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	monitor->signals = signals_kick();
	if (setup->table != NULL)
		table_hide(setup->table);
}

/* In the child: puts descriptors where they belong and closes all others. */
static bool
arrange(const int *wanted, int count)
{
	int high[FD_FREE], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return false;
	for (int i = 0; i < count; i++) {
		high[i] = wanted[i] == -1
		              ? -1
		              : fcntl(wanted[i], F_DUPFD_CLOEXEC, FD_FREE);
		if (wanted[i] != -1 && high[i] == -1)
			return false;
	}
	if (descriptors_null(null) == -1)
		return false;
	for (int i = 0; i < count; i++) {
		if (high[i] == -1)
			close(FD_CLIENT_IN + i);
		else if (dup2(high[i], FD_CLIENT_IN + i) == -1)
			return false;
	}
	closefrom(FD_CLIENT_IN + count);
	return true;
}

static void
describe_session(const struct monitor *monitor, struct session_setup *session)
{
	const struct monitor_setup *setup = monitor->setup;

	memset(session, 0, sizeof(*session));
	session->config = setup->config;
	session->sandbox = setup->sandbox;
	session->client_in = FD_CLIENT_IN;
	session->client_out = FD_CLIENT_OUT;
	session->pair = FD_PAIR;
	session->monitor = getppid();
	session->local = setup->local;
	session->proxy = setup->proxy;
	session->tls_now = setup->tls_now;
	session->tls = setup->tls;
	session->scram = setup->scram;
	strlcpy(session->sid, monitor->sid, sizeof(session->sid));
	strlcpy(session->stamp, monitor->stamp, sizeof(session->stamp));
}

static _Noreturn void
become_session(const struct monitor *monitor, int pair)
{
	const struct monitor_setup *setup = monitor->setup;
	const bool socket = setup->client_in == setup->client_out;
	const int wanted[] = {setup->client_in, socket ? -1 : setup->client_out,
	    pair};
	struct session_setup session;

	title_set("session");
	describe_session(monitor, &session);
	if (socket)
		session.client_out = FD_CLIENT_IN;
	if (!arrange(wanted, 3))
		_exit(errno);
	forget_monitor(monitor);
	session_serve(&session);
}

static _Noreturn void
become_recovery(const struct monitor *monitor, int pair)
{
	const struct md_fds *fds = &monitor->opening.fds;
	const int wanted[] = {-1, -1, pair, fds->index, fds->journal, fds->mbox};
	const struct md_fds arranged = {
	    .index = FD_INDEX,
	    .journal = FD_JOURNAL,
	    .mbox = fds->mbox == -1 ? -1 : FD_MBOX,
	    .writable = fds->writable,
	};
	struct session_setup session;

	title_set("recovery");
	describe_session(monitor, &session);
	if (!arrange(wanted, 6))
		_exit(errno);
	forget_monitor(monitor);
	session_recover(&session, &arranged);
}

/* Forks a sandboxed child with a pair to it. 0, or -1 with errno. */
static int
fork_child(struct monitor *monitor, void (*become)(const struct monitor *, int))
{
	int pair[2];

	if (ipc_pair(pair) == -1)
		return -1;
	monitor->child = fork_alone();
	if (monitor->child == 0) {
		close(pair[0]);
		become(monitor, pair[1]);
	}
	close(pair[1]);
	/* a session that asks and never reads must not stop its monitor */
	if (monitor->child == -1 || fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1) {
		close(pair[0]);
		return -1;
	}
	monitor->pair = pair[0];
	return 0;
}

/* One message; false: the session is gone, or must go. */
static bool
serve_one(struct monitor *monitor)
{
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;
	bool good;
	int n = ipc_receive(monitor->pair, &message, sizeof(message), fds, &nfds);

	if (n <= 0)
		return false;
	good = request_answer(monitor, &message, (size_t)n, nfds);
	explicit_bzero(&message, sizeof(message));
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (!good)
		log_error("sid=%s broken message from the session", monitor->sid);
	return good;
}

/* A dotlock that is held for long must not look stale to others. */
static void
touch_dotlock(struct monitor *monitor)
{
	if (monitor->opened && monitor->opening.dotlock.st_ino != 0)
		(void)dotlock_touch(&monitor->opening);
}

/* When one that is told to stop must have ended: UPDATE alone may take long. */
static uint64_t
stop_limit(const struct monitor *monitor)
{
	const bool holds = monitor->phase == PHASE_OPENING ||
	                   monitor->phase == PHASE_OPEN;

	return clock_now() + (holds ? MONITOR_UPDATE_MS : STOP_LIMIT_MS);
}

/*
 * Answers until the child is gone or the limit (0: none but that of a stop) has
 * passed; returns its wait status.
 */
static int
serve_child(struct monitor *monitor, uint64_t limit)
{
	uint64_t touch = clock_now() + DOTLOCK_TOUCH_MS, deadline;
	int status = 0;
	bool going = true;

	while (going && (limit == 0 || clock_now() < limit)) {
		if (limit == 0 && monitor->stop != 0)
			limit = stop_limit(monitor);
		if (clock_now() >= touch) {
			touch_dotlock(monitor);
			touch = clock_now() + DOTLOCK_TOUCH_MS;
		}
		deadline = limit != 0 && limit < touch ? limit : touch;
		switch (monitor_await(monitor, monitor->pair, deadline)) {
		case WAKE_READY:
			going = serve_one(monitor);
			break;
		case WAKE_LATE:
			break;
		default:
			going = false;
		}
	}
	close(monitor->pair);
	monitor->pair = -1;
	/* an honest one has closed its end by its exit, which this cannot undo */
	kill(monitor->child, SIGKILL);
	while (waitpid(monitor->child, &status, 0) == -1 && errno == EINTR)
		;
	return status;
}

/* Replays the journal in a fresh child. The locks are still ours. 0 or 1. */
static int
recover(struct monitor *monitor)
{
	int status;

	monitor_enter(monitor, PHASE_RECOVERY, ROW_TRANSACTION);
	monitor->recovery = MD_IO;
	if (fork_child(monitor, become_recovery) == -1) {
		log_error("sid=%s cannot start the recovery of %s: %s",
		    monitor->sid, monitor->opening.path, strerror(errno));
		return 1;
	}
	status = serve_child(monitor, clock_now() + MONITOR_UPDATE_MS);
	if (status == 0 && monitor->recovery == MD_OK)
		return 0;
	log_error(
	    "sid=%s an interrupted update of %s is not finished (%s); the next "
	    "login or start tries again",
	    monitor->sid, monitor->opening.path,
	    status != 0 ? "the recovery process died"
	                : report_error(monitor->recovery));
	return 1;
}

/* There is no session to speak to the client. Returns an exit code. */
static int
refuse(const struct monitor_setup *setup)
{
	log_error("ip=%s cannot start a session: %s", setup->address,
	    strerror(errno));
	peer_refuse(setup->client_out, setup->tls_now,
	    "no process left on the server");
	return EX_OSERR;
}

/* No line of this process's follows that could tell of those it lost. */
static void
hand_over_lost(const struct monitor_setup *setup)
{
	if (setup->table != NULL)
		setup->table->lost += log_take_lost();
}

int
monitor_run(const struct monitor_setup *setup)
{
	struct monitor *monitor = pages_new(sizeof(*monitor));
	int status;

	if (monitor == NULL)
		return refuse(setup);
	start(monitor, setup);
	if (fork_child(monitor, become_session) == -1) {
		munmap(monitor, sizeof(*monitor));
		return refuse(setup);
	}
	close(setup->client_in);
	if (setup->client_out != setup->client_in)
		close(setup->client_out);
	status = serve_child(monitor, 0);
	if (monitor->phase != PHASE_ENDED)
		report_death(monitor, status);
	if (monitor_pending(monitor))
		(void)recover(monitor);
	monitor_let_go(monitor);
	hand_over_lost(setup);
	free(monitor->handshake);
	munmap(monitor, sizeof(*monitor));
	return 0;
}

/*
 * A session whose monitor died dies too, but not at once, and holds the session
 * lock until then: it is waited for as at a login.
 */
static enum opening_result
reopen_patiently(struct monitor *monitor, const char *state_name)
{
	const struct config *config = monitor->setup->config;
	uint64_t deadline = clock_now() + config->maildrop.lock_wait_ms;
	enum opening_result result;

	for (;;) {
		result = opening_reopen(config, state_name, monitor->sid,
		    &monitor->opening);
		monitor->opened = true;
		if (result != OPENING_IN_USE || clock_now() >= deadline)
			return result;
		monitor_let_go(monitor);
		clock_sleep(MONITOR_RETRY_MS);
	}
}

int
monitor_recover(const struct monitor_setup *setup, const char *state_name)
{
	struct monitor *monitor = pages_new(sizeof(*monitor));
	enum opening_result result;
	int failed = 1;

	if (monitor == NULL)
		return 1;
	start(monitor, setup);
	result = reopen_patiently(monitor, state_name);
	if (result == OPENING_OK)
		failed = monitor_pending(monitor) ? recover(monitor) : 0;
	else if (result == OPENING_IN_USE)
		failed = 0; /* that session recovered at its login */
	else
		log_error("state folder %s: %s; its maildrop is not recovered",
		    state_name, monitor->opening.fault);
	monitor_let_go(monitor);
	hand_over_lost(setup);
	munmap(monitor, sizeof(*monitor));
	return failed;
}
