/*
 * The listener: binds, accepts, limits, forks, reaps; never reads an octet of
 * a client's. Runs as root. One poll(2) loop over the listening sockets and a
 * signalfd; every connection becomes a monitor with a row in the shared
 * table. The monitors hold the reading end of the life pipe: when it ends,
 * the daemon is going down, and sessions end outside UPDATE.
 */
#include <errno.h>
#include <fcntl.h>
#include <libutil.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "account.h"
#include "auth.h"
#include "certificates.h"
#include "clock.h"
#include "control_socket.h"
#include "fork.h"
#include "limits.h"
#include "log.h"
#include "monitor.h"
#include "pam.h"
#include "peer.h"
#include "recoveries.h"
#include "server.h"
#include "service.h"
#include "serving.h"
#include "title.h"
#include "trial.h"
#include "users.h"

#define TICK_MS 2000
#define LOGIN_LIMIT_MS 60000
#define KICK_LIMIT_MS 10000
#define ACCEPT_BURST 64
#define ACCEPT_PAUSE_MS 100
#define COMPLAINT_EVERY_MS 60000

struct listener {
	struct serving serving;
	const struct sandbox *sandbox;
	const struct server_options *options;
	struct table *table;
	struct pidfh *claim;
	struct recoveries recoveries;
	int signals;
	int control; /* what poplarctl asks comes here; or -1 */
	int life[2];
	bool stopping;
	bool apop, scram; /* as of the users file last seen */
	struct stat users_seen;
	uint64_t pause_until; /* no descriptor to accept with until then */
	uint64_t quiet_until; /* what is lacking was said already */
	uint64_t next_tick;
};

/*
 * APOP and SCRAM are announced only when they can be used; the file is read
 * when it changes.
 */
static void
watch_users(struct listener *listener)
{
	const char *path = listener->serving.config->auth.users_file;
	struct stat st;

	memset(&st, 0, sizeof(st));
	(void)stat(path, &st);
	if (st.st_ino == listener->users_seen.st_ino &&
	    st.st_size == listener->users_seen.st_size &&
	    memcmp(&st.st_ctim, &listener->users_seen.st_ctim,
	        sizeof(st.st_ctim)) == 0)
		return;
	listener->users_seen = st;
	listener->apop = users_offer_apop(path);
	listener->scram = users_offer_scram(path);
	(void)users_verify(listener->serving.config);
}

/* In a child: what only the listener may hold. */
static void
leave_listener(struct listener *listener)
{
	serving_stop(&listener->serving);
	close(listener->signals);
	if (listener->control != -1)
		close(listener->control);
	close(listener->life[1]);
	/* not pidfile_close(3): to free its memory would be to copy it first */
	close(pidfile_fileno(listener->claim));
}

static void
describe_monitor(const struct listener *listener, struct monitor_setup *setup)
{
	memset(setup, 0, sizeof(*setup));
	setup->config = listener->serving.config;
	setup->sandbox = listener->sandbox;
	setup->client_in = setup->client_out = -1;
	setup->life = listener->life[0];
	setup->table = listener->table;
	setup->apop = listener->apop && users_is_used(setup->config);
	setup->scram = listener->scram && auth_users_alone(setup->config);
	setup->tls = listener->serving.tls;
}

static _Noreturn void
become_monitor(struct listener *listener, const struct peer *peer, struct row *row)
{
	struct monitor_setup setup;

	leave_listener(listener);
	describe_monitor(listener, &setup);
	setup.client_in = setup.client_out = peer->fd;
	setup.row = row;
	setup.local = peer->local;
	setup.tls_now = peer->tls;
	setup.proxy = peer->proxy;
	strlcpy(setup.address, peer->address, sizeof(setup.address));
	peer_tune(peer->fd);
	_exit(monitor_run(&setup));
}

/* What the system lacks it may lack for long: it is said once in a while. */
static bool
may_complain(struct listener *listener)
{
	const uint64_t now = clock_now();

	if (now < listener->quiet_until)
		return false;
	listener->quiet_until = now + COMPLAINT_EVERY_MS;
	return true;
}

static void
serve(struct listener *listener, const struct peer *peer)
{
	struct row *row;
	pid_t pid;

	if (!limits_admit(listener->serving.config, listener->table, peer))
		return;
	row = table_take(listener->table);
	if (row == NULL) {
		limits_refuse(listener->table, peer,
		    "too many connections that have not ended yet");
		return;
	}
	watch_users(listener);
	/* before the fork: of a proxy's client the monitor tells the source */
	peer_source(peer->ip, row->source);
	strlcpy(table_visitor(listener->table, row)->peer, peer->address,
	    CONTROL_ADDRESS_MAX);
	row->exempt = peer->local || peer->proxy;
	row->accepted = clock_now_us();
	pid = fork_alone();
	if (pid == 0)
		become_monitor(listener, peer, row);
	if (pid == -1) {
		if (may_complain(listener))
			log_error("cannot fork: %s", strerror(errno));
		limits_refuse(listener->table, peer,
		    "no process left on the server");
		return;
	}
	row->pid = pid;
	close(peer->fd);
}

/* Nothing to accept with. */
static void
pause_accepting(struct listener *listener)
{
	listener->pause_until = clock_now() + ACCEPT_PAUSE_MS;
	if (may_complain(listener))
		log_warning("cannot accept: %s", strerror(errno));
}

static void
accept_some(struct listener *listener, int fd, bool tls)
{
	struct sockaddr_storage from;
	struct peer peer;
	socklen_t length;
	int client;

	for (int i = 0; i < ACCEPT_BURST; i++) {
		length = sizeof(from);
		client = accept4(fd, (struct sockaddr *)&from, &length,
		    SOCK_CLOEXEC);
		if (client == -1 && (errno == EMFILE || errno == ENFILE ||
		                        errno == ENOBUFS || errno == ENOMEM)) {
			pause_accepting(listener);
			return;
		}
		if (client == -1)
			return;
		peer_describe(&from, &peer);
		peer.fd = client;
		peer.tls = tls;
		peer.proxy = network_list_holds(
		    listener->serving.config->listen.proxy_networks, peer.ip);
		serve(listener, &peer);
	}
}

static _Noreturn void
become_recovery(const char *state_name, void *ctx)
{
	struct listener *listener = ctx;
	struct monitor_setup setup;

	leave_listener(listener);
	describe_monitor(listener, &setup);
	strlcpy(setup.address, "recovery", sizeof(setup.address));
	_exit(monitor_recover(&setup, state_name));
}

static void
reap(struct listener *listener)
{
	struct row *row;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (recoveries_reaped(&listener->recoveries, pid, status))
			continue;
		row = table_find(listener->table, pid);
		if (row == NULL)
			continue;
		if (WIFSIGNALED(status))
			log_error("monitor %ld died of signal %d", (long)pid,
			    WTERMSIG(status));
		/* one that ends in order has let go of its folder */
		row->state[sizeof(row->state) - 1] = '\0';
		if (row->state[0] != '\0')
			recoveries_add(&listener->recoveries, row->state);
		row->pid = 0;
	}
}

/* Where even its end waits for the file system that hangs, it is said as seldom. */
static void
end_hung(struct row *row, uint64_t limit_ms)
{
	log_error("monitor %ld: login not finished after %llu s; killed",
	    (long)row->pid, (unsigned long long)(limit_ms / 1000));
	(void)kill(row->pid, SIGKILL);
	row->login_since = clock_now();
}

/*
 * What time brings: a login or a recovery that hangs (a dead mount), a kick that
 * nobody obeys.
 */
static void
tick(struct listener *listener)
{
	uint64_t now = clock_now();
	uint64_t limit = LOGIN_LIMIT_MS +
	                 listener->serving.config->maildrop.lock_wait_ms;

	listener->next_tick = now + TICK_MS;
	log_tell_lost(atomic_exchange(&listener->table->lost, 0));
	certificates_watch(listener->serving.config, listener->serving.tls);
	recoveries_end_hung(&listener->recoveries, limit + MONITOR_UPDATE_MS);
	for (size_t i = 0; i < listener->table->count; i++) {
		struct row *row = &listener->table->rows[i];

		if (row->pid == 0)
			continue;
		if (row->phase == ROW_LOGIN && now > row->login_since + limit)
			end_hung(row, limit);
		else if (row->kicked != 0 && now > row->kicked + KICK_LIMIT_MS &&
		         row->phase != ROW_TRANSACTION)
			(void)kill(row->pid, SIGKILL);
	}
}

/* SIGHUP: for new connections; those that there are go on as they began. */
static void
reload(struct listener *listener)
{
	service_notify("RELOADING=1");
	serving_reload(&listener->serving, listener->options);
	if (listener->serving.config->session.max > listener->table->count)
		log_warning("session.max: more than %zu needs a restart",
		    listener->table->count);
	memset(&listener->users_seen, 0, sizeof(listener->users_seen));
	service_notify("READY=1");
}

/* No new connections; running UPDATEs finish, everything else ends without. */
static void
stop(struct listener *listener)
{
	if (listener->stopping)
		return;
	listener->stopping = true;
	service_notify("STOPPING=1");
	log_info("shutting down, %zu sessions", table_used(listener->table));
	serving_stop(&listener->serving);
	close(listener->life[1]);
}

static void
take_signals(struct listener *listener)
{
	struct signalfd_siginfo info;

	while (read(listener->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop(listener);
		else if (info.ssi_signo == SIGHUP && !listener->stopping)
			reload(listener);
	}
	reap(listener);
}

static bool
anyone_left(const struct listener *listener)
{
	for (size_t i = 0; i < listener->table->count; i++) {
		if (listener->table->rows[i].pid != 0)
			return true;
	}
	for (size_t i = 0; i < RECOVERIES_AT_ONCE; i++) {
		if (listener->recoveries.running[i] != NULL)
			return true;
	}
	return false;
}

/*
 * Not in a step that has taken signals, which may have changed the sockets: who
 * connected behind SIGTERM is the next daemon's, if systemd holds the sockets, and
 * behind SIGHUP the new configuration's.
 */
static void
accept_ready(struct listener *listener, const struct pollfd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fds[i].revents != 0)
			accept_some(listener, fds[i].fd,
			    listener->serving.sockets.tls[i]);
	}
}

/* What a step waits for: these, and the sockets from SOCKETS on. */
enum { SIGNALS, CONTROL, SOCKETS };

static void
step(struct listener *listener)
{
	struct pollfd fds[SOCKETS + SOCKETS_MAX] = {
	    [SIGNALS] = {.fd = listener->signals, .events = POLLIN},
	    [CONTROL] = {.fd = listener->control, .events = POLLIN},
	};
	size_t count = listener->serving.sockets.count;
	uint64_t now = clock_now(), deadline = listener->next_tick;

	for (size_t i = 0; i < count; i++)
		fds[SOCKETS + i] = (struct pollfd){
		    .fd = listener->serving.sockets.fds[i],
		    .events = POLLIN};
	if (now < listener->pause_until) {
		count = 0;
		if (listener->pause_until < deadline)
			deadline = listener->pause_until;
	}
	if (poll(fds, SOCKETS + count, clock_poll_timeout(deadline)) > 0) {
		if (fds[CONTROL].revents != 0)
			control_socket_answer(listener->control, listener->table);
		if (fds[SIGNALS].revents != 0)
			take_signals(listener);
		else
			accept_ready(listener, &fds[SOCKETS], count);
	}
	if (!listener->stopping)
		recoveries_start(&listener->recoveries, become_recovery, listener);
	if (clock_now() >= listener->next_tick)
		tick(listener);
}

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_SETMASK, &set, NULL) == -1)
		return -1;
	sigdelset(&set, SIGUSR1);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Everything that can fail at start, before anybody is told that it runs. */
static int
prepare(struct listener *listener, struct config *config)
{
	size_t rows = config->session.max + config->session.max / 8 + 16;
	int code;

	/* each module costs every later fork: only where names are asked for */
	if (pam_is_used(config))
		account_warm();
	if (service_folders(config) == -1)
		return EX_CANTCREAT;
	if (trial_run(listener->sandbox) == -1)
		return EX_UNAVAILABLE;
	code = serving_start(&listener->serving, config);
	if (code != EX_OK)
		return code;
	listener->table = table_make(rows);
	if (listener->table == NULL || pipe2(listener->life, O_CLOEXEC) == -1) {
		log_error("cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	return EX_OK;
}

/* The part of the start that must happen in the process that stays. */
static int
settle(struct listener *listener)
{
	char names[512];
	int ready = -1;

	if (!listener->options->foreground && (ready = service_detach()) == -1) {
		log_error("cannot go to the background: %s", strerror(errno));
		return EX_OSERR;
	}
	title_set("listener");
	/* a session whose monitor was killed comes here to be reaped */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	listener->claim = service_claim(listener->serving.config);
	listener->signals = open_signals();
	if (listener->signals == -1)
		log_error("cannot watch signals: %s", strerror(errno));
	if (listener->claim == NULL || listener->signals == -1)
		return EX_TEMPFAIL;
	pidfile_write(listener->claim);
	listener->control = control_socket_open(listener->serving.config);
	serving_log(&listener->serving, listener->options->foreground);
	watch_users(listener);
	pam_verify(listener->serving.config);
	sockets_name(&listener->serving.sockets, names, sizeof(names));
	log_info("Poplar " POPLAR_VERSION " ready on %s", names);
	service_ready(ready);
	return EX_OK;
}

int
listener_run(struct config *config, const struct sandbox *sandbox,
    const struct server_options *options)
{
	struct listener listener = {
	    .sandbox = sandbox,
	    .options = options,
	    .control = -1,
	    .life = {-1, -1},
	    .next_tick = clock_now(), /* no deadline would wait for a client */
	};
	int code = prepare(&listener, config);

	if (code == EX_OK)
		code = settle(&listener);
	if (code != EX_OK)
		return code;
	recoveries_init(&listener.recoveries);
	(void)recoveries_add_all(&listener.recoveries, config);
	while (!listener.stopping || anyone_left(&listener))
		step(&listener);
	log_info("stopped");
	control_socket_remove(listener.control, listener.serving.config);
	pidfile_remove(listener.claim);
	serving_free(&listener.serving);
	return EX_OK;
}
