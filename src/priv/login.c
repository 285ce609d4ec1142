/*
 * A login, from the request to the maildrop's descriptors: the verdict of the
 * auth child, the same delay for every failure, the maildrop opened and
 * waited for. Runs as root in the monitor.
 */
#include "login.h"

#include <string.h>

#include "attempt.h"
#include "clock.h"
#include "delay.h"
#include "pages.h"
#include "report.h"
#include "state.h"

#define LAST_MOMENT_MS 2
#define COMPLAINT_EVERY_MS 60000

/* Logins that one connection may try, whatever comes of them. */
#define ATTEMPTS_MAX 100

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
	monitor_enter(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
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
	monitor_enter(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
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

/* For the listener, which may be asked who is connected. */
static void
introduce(const struct monitor *monitor)
{
	const struct monitor_setup *setup = monitor->setup;
	struct visitor *visitor;

	if (setup->row == NULL)
		return;
	visitor = table_visitor(setup->table, setup->row);
	strlcpy(visitor->address, monitor->address, sizeof(visitor->address));
	strlcpy(visitor->user, monitor->user, sizeof(visitor->user));
	visitor->tls = monitor->tls;
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
		monitor_enter(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
		send_refusal(monitor, IPC_RESULT_DELAYED);
		monitor_let_go(monitor);
		return;
	}
	remember_state(monitor);
	introduce(monitor);
	monitor_enter(monitor, PHASE_OPENING, ROW_TRANSACTION);
	send_maildrop(monitor, verdict);
}

bool
login_drop_challenge(struct monitor *monitor)
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
	if (login_drop_challenge(monitor))
		await_instant(monitor,
		    monitor->challenged +
		        monitor->setup->config->auth.failure_delay_ms);
	strlcpy(monitor->user, login->user, sizeof(monitor->user));
	monitor->mech = login->mech;
	monitor->tls = login->tls;
	monitor_enter(monitor, PHASE_LOGIN, ROW_LOGIN);
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

void
login_answer(struct monitor *monitor, union ipc_message *message)
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

void
login_challenge(struct monitor *monitor, union ipc_message *message)
{
	struct ipc_challenge challenge = {.type = IPC_CHALLENGE};

	if (begin_login(monitor, &message->login) &&
	    attempt_challenge(monitor, &challenge)) {
		monitor->challenge = challenge;
		monitor->challenged = clock_now();
	} else
		report_refusal(monitor, auth_result_name(AUTH_TROUBLE), "", false);
	monitor_enter(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
	(void)ipc_send(monitor->pair, &challenge, sizeof(challenge), NULL, 0);
}

void
login_prove(struct monitor *monitor, union ipc_message *message)
{
	uint64_t received = clock_now();
	enum auth_result result = AUTH_MECHANISM;
	struct auth_verdict verdict;

	auth_conclude(&verdict, result);
	monitor_enter(monitor, PHASE_LOGIN, ROW_LOGIN);
	if (monitor->challenge.type != 0)
		result = attempt_proof(monitor, &message->proof, &verdict);
	monitor->challenge.type = 0;
	end_login(monitor, received, result, &verdict);
}

void
login_opened(struct monitor *monitor, union ipc_message *message)
{
	const struct ipc_opened *opened = &message->opened;

	if (opened->error != MD_OK) {
		report_maildrop(monitor, opened->error == MD_BUSY,
		    report_error(opened->error), false);
		monitor_let_go(monitor);
		monitor_enter(monitor, PHASE_LOGIN, ROW_AUTHORIZATION);
		return;
	}
	report_login(monitor, opened);
	monitor_enter(monitor, PHASE_OPEN, ROW_TRANSACTION);
	pages_rest();
}
