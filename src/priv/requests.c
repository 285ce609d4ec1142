/*
 * What a monitor answers. Runs as root. Reads nothing but messages of exact
 * size from its own session, and believes none of their contents: every
 * request has a row that says in which phase it is legal.
 */
#include "requests.h"

#include <string.h>

#include "attempt.h"
#include "clock.h"
#include "delay.h"
#include "log.h"
#include "pages.h"
#include "network.h"
#include "peer.h"
#include "report.h"
#include "state.h"

#define LAST_MOMENT_MS 2
#define COMPLAINT_EVERY_MS 60000

/* Logins that one connection may try, whatever comes of them. */
#define ATTEMPTS_MAX 100

/* Requests before a login has succeeded: each may write a line to the log. */
#define REQUESTS_MAX 500

/* Journals of one connection: at its login, and in the recovery behind it. */
#define SET_ASIDE_MAX 2

static void
set_phase(struct monitor *monitor, enum phase phase, enum row_phase row_phase)
{
	struct row *row = monitor->setup->row;

	monitor->phase = phase;
	if (row == NULL)
		return;
	row->login_since = clock_now();
	row->phase = row_phase;
}

static void
send_plain(struct monitor *monitor, enum ipc_type type, uint32_t value,
    const int *fds, size_t nfds)
{
	const struct ipc_plain plain = {.type = type, .value = value};

	(void)ipc_send(monitor->pair, &plain, sizeof(plain), fds, nfds);
}

static void
send_refusal(struct monitor *monitor, enum ipc_result result)
{
	struct ipc_login_reply reply = {.type = IPC_LOGIN_REPLY, .result = result};

	if (result == IPC_RESULT_IN_USE)
		strlcpy(reply.holder, monitor->opening.holder,
		    sizeof(reply.holder));
	(void)ipc_send(monitor->pair, &reply, sizeof(reply), NULL, 0);
}

static void
send_maildrop(struct monitor *monitor, const struct auth_verdict *verdict)
{
	const struct md_fds *fds = &monitor->opening.fds;
	const int given[] = {fds->index, fds->journal, fds->mbox};
	struct ipc_login_reply reply = {
	    .type = IPC_LOGIN_REPLY,
	    .result = IPC_RESULT_OK,
	    .has_mbox = fds->mbox != -1,
	    .writable = fds->writable,
	};

	memcpy(reply.signature, verdict->signature, sizeof(reply.signature));
	(void)ipc_send(monitor->pair, &reply, sizeof(reply), given,
	    2 + reply.has_mbox);
}

/*
 * Waits for an instant and not a time: poll(2) counts from its call, so what
 * was done before would show in the fraction of the millisecond of its end.
 */
static void
await_instant(struct monitor *monitor, uint64_t instant)
{
	enum wake wake;

	do
		wake = monitor_await(monitor, -1, instant - LAST_MOMENT_MS);
	while (wake == WAKE_READY);
	if (wake == WAKE_LATE)
		clock_sleep_until(instant);
}

/*
 * Every failure is answered a whole number of failure_delays after the
 * request, so that no cause can be told from another by the clock.
 */
static void
fail_login(struct monitor *monitor, uint64_t received, enum auth_result result)
{
	uint64_t delay = monitor->setup->config->auth.failure_delay_ms;
	uint64_t reply_at = received + delay + 1; /* the clock cuts to whole ms */

	while (delay > 0 && reply_at < clock_now())
		reply_at += delay;
	report_refusal(monitor, auth_result_name(result),
	    auth_result_detail(result), false);
	monitor->failures++;
	await_instant(monitor, reply_at);
	set_phase(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
	send_refusal(monitor,
	    result == AUTH_TROUBLE ? IPC_RESULT_UNAVAILABLE : IPC_RESULT_DENIED);
}

/* A missing folder would fill the log: one line a minute, all sessions together. */
static bool
complained_lately(struct monitor *monitor)
{
	struct table *table = monitor->setup->table;
	uint64_t now = clock_now();

	if (table == NULL)
		return false;
	if (table->complained != 0 && now - table->complained < COMPLAINT_EVERY_MS)
		return true;
	table->complained = now;
	return false;
}

/* The credentials were right; the maildrop is not to be had. */
static void
refuse_maildrop(struct monitor *monitor, enum opening_result result)
{
	static const enum ipc_result results[] = {
	    [OPENING_IN_USE] = IPC_RESULT_IN_USE,
	    [OPENING_UNSUITABLE] = IPC_RESULT_UNSUITABLE,
	    [OPENING_UNAVAILABLE] = IPC_RESULT_UNAVAILABLE,
	};

	report_maildrop(monitor, result == OPENING_IN_USE, monitor->opening.fault,
	    result == OPENING_UNAVAILABLE && complained_lately(monitor));
	set_phase(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
	send_refusal(monitor, results[result]);
	monitor_let_go(monitor);
}

/* Another session's lock is waited for, as long as lock_wait says. */
static enum opening_result
open_patiently(struct monitor *monitor, const struct auth_verdict *verdict,
    const char *path)
{
	const struct config *config = monitor->setup->config;
	uint64_t deadline = clock_now() + config->maildrop.lock_wait_ms;
	const struct account account = {
	    .login = verdict->name,
	    .uid = verdict->uid,
	    .gid = verdict->gid,
	};
	enum opening_result result;

	for (;;) {
		result = opening_open(config, &account, path, monitor->sid,
		    monitor->address, &monitor->opening);
		monitor->opened = true;
		if (result != OPENING_IN_USE || clock_now() >= deadline ||
		    monitor_await(monitor, -1, clock_now() + MONITOR_RETRY_MS) ==
		        WAKE_STOP)
			return result;
		monitor_let_go(monitor);
	}
}

/* For the listener, which recovers this folder should the monitor die. */
static void
remember_state(struct monitor *monitor)
{
	if (monitor->setup->row != NULL &&
	    state_name_for(&monitor->opening, monitor->setup->row->state) == -1)
		monitor->setup->row->state[0] = '\0';
}

static void
open_maildrop(struct monitor *monitor, const struct auth_verdict *verdict)
{
	const struct config *config = monitor->setup->config;
	const char *template = verdict->maildrop[0] != '\0' ? verdict->maildrop
	                                                    : config->maildrop.path;
	enum opening_result result;
	char path[PATH_MAX];

	if (config_expand_path(template, verdict->name, verdict->home, path,
	        sizeof(path))) {
		result = open_patiently(monitor, verdict, path);
	} else {
		strlcpy(monitor->opening.path, template,
		    sizeof(monitor->opening.path));
		result = opening_fault(&monitor->opening, OPENING_UNSUITABLE,
		    "this user's name or home does not fit into it");
	}
	if (result != OPENING_OK) {
		refuse_maildrop(monitor, result);
		return;
	}
	if (!delay_permits(monitor->opening.state,
	        config->session.login_delay_ms)) {
		report_refusal(monitor, "delay", "", false);
		set_phase(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
		send_refusal(monitor, IPC_RESULT_DELAYED);
		monitor_let_go(monitor);
		return;
	}
	remember_state(monitor);
	set_phase(monitor, PHASE_OPENING, ROW_TRANSACTION);
	send_maildrop(monitor, verdict);
}

/* Whether a proxy's client stays within max_per_address; counts it from now on. */
static bool
admit_source(struct monitor *monitor, const unsigned char *ip)
{
	const struct monitor_setup *setup = monitor->setup;

	if (setup->row == NULL || network_is_loopback(ip))
		return true;
	peer_source(ip, setup->row->source);
	setup->row->exempt = false;
	return table_from(setup->table, setup->row->source) <=
	       setup->config->session.max_per_address;
}

/* A claim, taken before anything else, from a proxy that the configuration trusts. */
static void
answer_proxy(struct monitor *monitor, union ipc_message *message)
{
	const struct ipc_proxy *proxy = &message->proxy;
	bool admitted = monitor->setup->proxy && monitor->asked == 1;

	if (admitted && proxy->known) {
		network_print(proxy->address, monitor->address,
		    sizeof(monitor->address));
		admitted = admit_source(monitor, proxy->address);
		if (!admitted)
			log_info("ip=%s refused: session.max_per_address = %llu",
			    monitor->address,
			    (unsigned long long)
			        monitor->setup->config->session.max_per_address);
	}
	send_plain(monitor, IPC_PROXY_REPLY, !admitted, NULL, 0);
}

/*
 * A challenge that is not answered costs as much as one that is answered wrong,
 * and counts like that.
 */
static bool
drop_challenge(struct monitor *monitor)
{
	if (monitor->challenge.type == 0)
		return false;
	monitor->challenge.type = 0;
	monitor->failures++;
	report_refusal(monitor, auth_result_name(AUTH_UNANSWERED),
	    auth_result_detail(AUTH_UNANSWERED), false);
	return true;
}

/* Whether one more attempt may be made; notes who tries. */
static bool
begin_login(struct monitor *monitor, const struct ipc_login *login)
{
	/* its failure_delay comes before the next attempt */
	if (drop_challenge(monitor))
		await_instant(monitor,
		    monitor->challenged +
		        monitor->setup->config->auth.failure_delay_ms);
	strlcpy(monitor->user, login->user, sizeof(monitor->user));
	monitor->mech = login->mech;
	monitor->tls = login->tls;
	set_phase(monitor, PHASE_LOGIN, ROW_LOGIN);
	return ++monitor->attempts <= ATTEMPTS_MAX &&
	       monitor->failures < monitor->setup->config->auth.max_attempts;
}

static void
end_login(struct monitor *monitor, uint64_t received, enum auth_result result,
    const struct auth_verdict *verdict)
{
	if (result == AUTH_OK)
		open_maildrop(monitor, verdict);
	else
		fail_login(monitor, received, result);
}

static void
answer_login(struct monitor *monitor, union ipc_message *message)
{
	struct ipc_login *login = &message->login;
	uint64_t received = clock_now();
	enum auth_result result = AUTH_MECHANISM;
	struct auth_verdict verdict;

	auth_conclude(&verdict, result);
	if (begin_login(monitor, login))
		result = attempt_login(monitor, login, &verdict);
	/* the maildrop may be waited for, and a secret need not wait with it */
	explicit_bzero(login, sizeof(*login));
	end_login(monitor, received, result, &verdict);
}

static void
answer_handshake(struct monitor *monitor, union ipc_message *message)
{
	attempt_take_handshake(monitor, &message->handshake);
}

/* SCRAM's first step: a challenge for any name, known or not. */
static void
answer_scram(struct monitor *monitor, union ipc_message *message)
{
	struct ipc_challenge challenge = {.type = IPC_CHALLENGE};

	if (begin_login(monitor, &message->login) &&
	    attempt_challenge(monitor, &challenge)) {
		monitor->challenge = challenge;
		monitor->challenged = clock_now();
	} else
		report_refusal(monitor, auth_result_name(AUTH_TROUBLE), "", false);
	set_phase(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
	(void)ipc_send(monitor->pair, &challenge, sizeof(challenge), NULL, 0);
}

static void
answer_proof(struct monitor *monitor, union ipc_message *message)
{
	uint64_t received = clock_now();
	enum auth_result result = AUTH_MECHANISM;
	struct auth_verdict verdict;

	auth_conclude(&verdict, result);
	set_phase(monitor, PHASE_LOGIN, ROW_LOGIN);
	if (monitor->challenge.type != 0)
		result = attempt_proof(monitor, &message->proof, &verdict);
	monitor->challenge.type = 0;
	end_login(monitor, received, result, &verdict);
}

static void
answer_opened(struct monitor *monitor, union ipc_message *message)
{
	const struct ipc_opened *opened = &message->opened;

	if (opened->error != MD_OK) {
		report_maildrop(monitor, opened->error == MD_BUSY,
		    report_error(opened->error), false);
		monitor_let_go(monitor);
		set_phase(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
		return;
	}
	report_login(monitor, opened);
	set_phase(monitor, PHASE_OPEN, ROW_TRANSACTION);
	pages_rest();
}

/* The same of a recovery child, whose last word it is. */
static void
answer_recovered(struct monitor *monitor, union ipc_message *message)
{
	monitor->phase = PHASE_ENDED;
	monitor->recovery = (enum md_error)message->opened.error;
	if (message->opened.recovered)
		report_recovered(monitor);
}

static void
answer_dotlock(struct monitor *monitor, union ipc_message *message)
{
	(void)message;
	send_plain(monitor, IPC_DOTLOCK_REPLY,
	    dotlock_make(monitor->setup->config, &monitor->opening), NULL, 0);
}

static void
answer_undotlock(struct monitor *monitor, union ipc_message *message)
{
	(void)message;
	dotlock_remove(&monitor->opening);
	send_plain(monitor, IPC_UNDOTLOCK_REPLY, 0, NULL, 0);
}

static void
answer_backdate(struct monitor *monitor, union ipc_message *message)
{
	(void)message;
	send_plain(monitor, IPC_BACKDATE_REPLY,
	    opening_backdate(&monitor->opening) != 0, NULL, 0);
}

/* Each costs an inode: no more than honest sessions have reason for. */
static void
answer_set_aside(struct monitor *monitor, union ipc_message *message)
{
	int failed = -1;

	(void)message;
	if (monitor_pending(monitor) && ++monitor->set_aside <= SET_ASIDE_MAX)
		failed = journal_set_aside(&monitor->opening);
	send_plain(monitor, IPC_SET_ASIDE_REPLY, failed != 0,
	    &monitor->opening.fds.journal, failed != 0 ? 0 : 1);
}

static void
answer_note(struct monitor *monitor, union ipc_message *message)
{
	if (message->plain.value == IPC_NOTE_CLEARTEXT ||
	    message->plain.value == IPC_NOTE_CLEARTEXT_AUTH)
		monitor->failures++;
	report_note(monitor, (enum ipc_note)message->plain.value,
	    message->plain.text);
}

/*
 * The maildrop is free for the next session before the client hears of it. Not
 * so where the disk failed in UPDATE: it is repaired first, when the session is
 * gone, for until then other programs may find messages in it torn.
 */
static void
answer_end(struct monitor *monitor, union ipc_message *message)
{
	(void)drop_challenge(monitor);
	/* SCRAM tells that the proof was right before the maildrop is opened */
	if (monitor->phase == PHASE_OPENING)
		report_refusal(monitor, "cancelled", "", false);
	report_end(monitor, &message->end);
	if (!monitor_pending(monitor))
		monitor_let_go(monitor);
	set_phase(monitor, PHASE_ENDED, ROW_AUTHORIZATION);
	send_plain(monitor, IPC_END_REPLY, 0, NULL, 0);
}

#define HOLDING (PHASE_OPENING | PHASE_OPEN | PHASE_RECOVERY)

static const struct request {
	uint32_t type;
	unsigned phases; /* enum phase, or-ed */
	void (*answer)(struct monitor *, union ipc_message *);
} requests[] = {
    {IPC_PROXY,     PHASE_LOGIN,                              answer_proxy    },
    {IPC_HANDSHAKE, PHASE_LOGIN,                              answer_handshake},
    {IPC_LOGIN,     PHASE_LOGIN,                              answer_login    },
    {IPC_SCRAM,     PHASE_LOGIN,                              answer_scram    },
    {IPC_PROOF,     PHASE_LOGIN,                              answer_proof    },
    {IPC_OPENED,    PHASE_OPENING,                            answer_opened   },
    {IPC_OPENED,    PHASE_RECOVERY,                           answer_recovered},
    {IPC_DOTLOCK,   HOLDING,                                  answer_dotlock  },
    {IPC_UNDOTLOCK, HOLDING,                                  answer_undotlock},
    {IPC_BACKDATE,  PHASE_OPEN,                               answer_backdate },
    {IPC_SET_ASIDE, HOLDING,                                  answer_set_aside},
    {IPC_NOTE,      PHASE_LOGIN,                              answer_note     },
    {IPC_END,       PHASE_LOGIN | PHASE_OPENING | PHASE_OPEN, answer_end      },
};

/* What answers a message of this type now; NULL: it is not legal. */
static const struct request *
find_request(const struct monitor *monitor, uint32_t type)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (requests[i].type == type &&
		    (requests[i].phases & monitor->phase) != 0)
			return &requests[i];
	}
	return NULL;
}

bool
request_answer(struct monitor *monitor, union ipc_message *message, size_t size,
    size_t nfds)
{
	const struct request *request;

	if (nfds != 0 || !ipc_valid(message, size))
		return false;
	request = find_request(monitor, message->type);
	if (request == NULL ||
	    (monitor->phase == PHASE_LOGIN && ++monitor->asked > REQUESTS_MAX))
		return false;
	request->answer(monitor, message);
	return true;
}
