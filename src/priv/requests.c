/*
 * What a monitor answers. Runs as root. Reads nothing but messages of exact
 * size from its own session, and believes none of their contents: every
 * request has a row that says in which phase it is legal.
 */
#include "requests.h"

#include <stdio.h>

#include "attempt.h"
#include "limits.h"
#include "log.h"
#include "login.h"
#include "network.h"
#include "peer.h"
#include "report.h"

/* Requests before a login has succeeded: each may write a line to the log. */
#define REQUESTS_MAX 500

/* Journals of one connection: at its login, and in the recovery behind it. */
#define SET_ASIDE_MAX 2

static void
send_plain(struct monitor *monitor, enum ipc_type type, uint32_t value,
    const int *fds, size_t nfds)
{
	const struct ipc_plain plain = {.type = type, .value = value};

	(void)ipc_send(monitor->pair, &plain, sizeof(plain), fds, nfds);
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

/* The client is told by its session. */
static void
log_refusal(const struct monitor *monitor)
{
	const struct monitor_setup *setup = monitor->setup;
	char text[64];

	snprintf(text, sizeof(text), "session.max_per_address = %llu",
	    (unsigned long long)setup->config->session.max_per_address);
	limits_log(setup->table, monitor->address, text);
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
			log_refusal(monitor);
	}
	send_plain(monitor, IPC_PROXY_REPLY, !admitted, NULL, 0);
}

static void
answer_handshake(struct monitor *monitor, union ipc_message *message)
{
	attempt_take_handshake(monitor, &message->handshake);
}

/* How a recovery child got on; its last word. */
static void
answer_recovered(struct monitor *monitor, union ipc_message *message)
{
	monitor_enter(monitor, PHASE_ENDED, ROW_TRANSACTION);
	monitor->recovery = (enum md_error)message->opened.error;
	if (message->opened.recovered)
		report_recovered(monitor);
	send_plain(monitor, IPC_END_REPLY, 0, NULL, 0);
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
	(void)login_drop_challenge(monitor);
	/* SCRAM tells that the proof was right before the maildrop is opened */
	if (monitor->phase == PHASE_OPENING)
		report_refusal(monitor, "cancelled", "", false);
	report_end(monitor, &message->end);
	if (!monitor_pending(monitor))
		monitor_let_go(monitor);
	monitor_enter(monitor, PHASE_ENDED, ROW_AUTHORIZATION);
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
    {IPC_LOGIN,     PHASE_LOGIN,                              login_answer    },
    {IPC_SCRAM,     PHASE_LOGIN,                              login_challenge },
    {IPC_PROOF,     PHASE_LOGIN,                              login_prove     },
    {IPC_OPENED,    PHASE_OPENING,                            login_opened    },
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
