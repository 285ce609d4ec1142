/*
 * A login: the credentials go to the monitor and come back as a verdict; then
 * the maildrop is opened. Runs sandboxed. A failed login has one text, whatever
 * the cause.
 */
#include "login.h"

#include "pages.h"

/* What a client is told of a maildrop that cannot be opened, by the monitor. */
static const char *const result_texts[IPC_RESULTS] = {
    [IPC_RESULT_DENIED] = "[AUTH] login failed",
    [IPC_RESULT_BUSY] = "[IN-USE] maildrop is locked by another program",
    [IPC_RESULT_UNSUITABLE] =
        "[SYS/PERM] maildrop is not a plain file of yours; ask your postmaster",
    [IPC_RESULT_UNAVAILABLE] = "[SYS/TEMP] mail is out of reach, try later",
};

/* The same by maildrop_open(). Only a busy maildrop may say "locked". */
static const char *const open_texts[MD_ERRORS] = {
    [MD_BUSY] = "[IN-USE] maildrop is locked by another program",
    [MD_CHANGED] = "[SYS/TEMP] maildrop was replaced meanwhile, try again",
    [MD_FORMAT] = "[SYS/PERM] maildrop is not an mbox",
    [MD_TOO_BIG] = "[SYS/PERM] maildrop is over the size limit of this server",
    [MD_NO_SPACE] = "[SYS/TEMP] no space left on the server",
    [MD_NO_MEMORY] = "[SYS/TEMP] no memory left on the server",
    [MD_IO] = "[SYS/TEMP] maildrop cannot be read",
    [MD_REFUSED] =
        "[SYS/PERM] maildrop folder does not permit what the server needs",
    [MD_PENDING] = "[SYS/TEMP] an interrupted update is not finished, try later",
    [MD_STOPPED] = "[SYS/TEMP] server is shutting down",
};

static void
tell_opened(struct client *client, enum md_error error)
{
	struct ipc_opened opened = {.type = IPC_OPENED, .error = error};
	struct md_stats stats;

	if (error == MD_OK) {
		maildrop_stats(client->maildrop, &stats);
		opened.messages = maildrop_count(client->maildrop);
		opened.octets = maildrop_octets(client->maildrop);
		opened.fresh = stats.fresh;
		opened.scan = stats.scan;
		opened.scan_us = stats.scan_us;
		opened.recovered = stats.recovered;
		client->last = client->last_at_login = stats.last;
	}
	link_opened(&client->link, &opened);
}

/* The credentials were right: opens the maildrop and enters TRANSACTION. */
enum verdict
login_open(struct client *client)
{
	const struct config *config = client->setup->config;
	const struct md_limits limits = {
	    .max_size = config->maildrop.max_size,
	    .max_messages = (uint32_t)config->maildrop.max_messages,
	    .lock_wait_ms = (uint32_t)config->maildrop.lock_wait_ms,
	    .lock_session = config->maildrop.lock_hold == LOCK_HOLD_SESSION,
	};
	struct md_host host;
	enum md_error error;

	link_host(&client->link, &host);
	error = maildrop_open(&client->fds, &limits, &host, &client->maildrop);
	if (error != MD_OK) {
		/* the descriptors go first: RFC 1725 section 4, the lock */
		client_release(client);
		tell_opened(client, error);
		return client_refuse(client, open_texts[error]);
	}
	tell_opened(client, MD_OK);
	pages_rest();
	client_enter(client, TRANSACTION);
	client_say(client, "+OK %u messages (%llu octets), session %s",
	    maildrop_live(client->maildrop),
	    (unsigned long long)maildrop_octets(client->maildrop),
	    client->setup->sid);
	return GO_ON;
}

/* RFC 2449 section 6.5: who heeds it must never be refused. */
unsigned
login_delay_seconds(const struct client *client)
{
	const uint64_t delay_ms = client->setup->config->session.login_delay_ms;

	return (unsigned)((delay_ms + 999) / 1000);
}

static enum verdict
refuse_login(struct client *client, const struct ipc_login_reply *reply)
{
	if (reply->result == IPC_RESULT_IN_USE)
		client_say(client,
		    "-ERR [IN-USE] maildrop is locked by another session %s",
		    reply->holder);
	else if (reply->result == IPC_RESULT_DELAYED)
		client_say(client,
		    "-ERR [LOGIN-DELAY] log in at most every %u seconds",
		    login_delay_seconds(client));
	else
		client_refuse(client, result_texts[reply->result]);
	return reply->result == IPC_RESULT_DENIED ? client_failed(client) : GO_ON;
}

bool
login_permitted(struct client *client, bool answered,
    const struct ipc_login_reply *reply, enum verdict *verdictp)
{
	if (!answered || reply->result >= IPC_RESULTS)
		*verdictp = client_end(client, IPC_END_ERROR, DROP);
	else if (client->link.stop != 0)
		*verdictp = client_end(client, client->link.stop, DROP);
	else if (reply->result != IPC_RESULT_OK)
		*verdictp = refuse_login(client, reply);
	else
		return true;
	return false;
}

enum verdict
login_with_secret(struct client *client, enum ipc_mech mech, const char *name,
    const char *secret)
{
	struct ipc_login_reply reply;
	enum verdict verdict;
	bool answered;

	stream_flush(&client->stream);
	answered = link_login(&client->link, mech, name, secret, &reply,
	    &client->fds);
	return login_permitted(client, answered, &reply, &verdict)
	           ? login_open(client)
	           : verdict;
}
