/*
 * Requests from the session to its monitor. Runs sandboxed. The monitor is
 * trusted with privilege, yet its replies are checked for size, type and
 * number of descriptors like everything that comes from outside.
 */
#include "monitor_link.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

static void
close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* A wish to stop: one that is none comes from a monitor that is broken. */
static void
take_stop(struct monitor_link *link, const union ipc_message *message)
{
	const uint32_t reason = message->plain.value;

	link->stop = reason > 0 && reason < IPC_END_REASONS
	                 ? (enum ipc_end_reason)reason
	                 : IPC_END_ERROR;
}

/* Waits for a message of one type; a wish to stop is noted on the way. */
static bool
receive(struct monitor_link *link, uint32_t type, union ipc_message *message,
    int fds[IPC_FDS_MAX], size_t *nfdsp)
{
	int n;

	for (;;) {
		n = ipc_receive(link->fd, message, sizeof(*message), fds, nfdsp);
		if (n <= 0 || !ipc_valid(message, (size_t)n)) {
			link->stop = IPC_END_ERROR;
			return false;
		}
		if (message->type == type)
			return true;
		close_all(fds, *nfdsp);
		if (message->type != IPC_STOP) {
			link->stop = IPC_END_ERROR;
			return false;
		}
		take_stop(link, message);
	}
}

/* The same of a message that brings no descriptors. */
static bool
receive_bare(struct monitor_link *link, uint32_t type, union ipc_message *message)
{
	int fds[IPC_FDS_MAX];
	size_t count;

	if (!receive(link, type, message, fds, &count))
		return false;
	close_all(fds, count);
	return true;
}

static bool
send_plain(struct monitor_link *link, enum ipc_type type, uint32_t value,
    const char *text)
{
	struct ipc_plain plain = {.type = type, .value = value};

	strlcpy(plain.text, text, sizeof(plain.text));
	return ipc_send(link->fd, &plain, sizeof(plain), NULL, 0) == 0;
}

/* A name, and a secret where one is sent. */
static bool
send_login(const struct monitor_link *link, enum ipc_type type, enum ipc_mech mech,
    const char *user, const char *secret)
{
	struct ipc_login login = {.type = type, .mech = mech, .tls = link->tls};
	bool sent;

	strlcpy(login.user, user, sizeof(login.user));
	strlcpy(login.secret, secret, sizeof(login.secret));
	sent = ipc_send(link->fd, &login, sizeof(login), NULL, 0) == 0;
	explicit_bzero(&login, sizeof(login));
	return sent;
}

static bool
receive_login(struct monitor_link *link, struct ipc_login_reply *reply,
    struct md_fds *fds)
{
	union ipc_message message;
	int got[IPC_FDS_MAX];
	size_t count;

	*fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	if (!receive(link, IPC_LOGIN_REPLY, &message, got, &count))
		return false;
	*reply = message.login_reply;
	if (count !=
	    (reply->result == IPC_RESULT_OK ? 2 + (reply->has_mbox != 0) : 0)) {
		close_all(got, count);
		return false;
	}
	if (reply->result != IPC_RESULT_OK)
		return true;
	fds->index = got[0];
	fds->journal = got[1];
	fds->mbox = got[2];
	fds->writable = reply->writable != 0;
	return true;
}

bool
link_login(struct monitor_link *link, enum ipc_mech mech, const char *user,
    const char *secret, struct ipc_login_reply *reply, struct md_fds *fds)
{
	return send_login(link, IPC_LOGIN, mech, user, secret) &&
	       receive_login(link, reply, fds);
}

bool
link_handshake(struct monitor_link *link, const unsigned char *octets,
    size_t length)
{
	struct ipc_handshake piece = {.type = IPC_HANDSHAKE};
	bool sent = true;

	for (size_t at = 0; sent && at < length; at += piece.length) {
		piece.length = IPC_PIECE_SIZE;
		if (length - at < IPC_PIECE_SIZE)
			piece.length = (uint32_t)(length - at);
		memcpy(piece.octets, octets + at, piece.length);
		sent = ipc_send(link->fd, &piece, sizeof(piece), NULL, 0) == 0;
	}
	return sent;
}

bool
link_scram(struct monitor_link *link, enum ipc_mech mech, const char *user,
    struct ipc_challenge *challenge)
{
	union ipc_message message;

	if (!send_login(link, IPC_SCRAM, mech, user, "") ||
	    !receive_bare(link, IPC_CHALLENGE, &message))
		return false;
	*challenge = message.challenge;
	return true;
}

bool
link_proof(struct monitor_link *link, struct ipc_proof *proof,
    struct ipc_login_reply *reply, struct md_fds *fds)
{
	bool sent = ipc_send(link->fd, proof, sizeof(*proof), NULL, 0) == 0;

	explicit_bzero(proof, sizeof(*proof));
	return sent && receive_login(link, reply, fds);
}

bool
link_proxy(struct monitor_link *link, const unsigned char *address)
{
	struct ipc_proxy proxy = {.type = IPC_PROXY, .known = address != NULL};
	union ipc_message message;

	if (address != NULL)
		memcpy(proxy.address, address, sizeof(proxy.address));
	return ipc_send(link->fd, &proxy, sizeof(proxy), NULL, 0) == 0 &&
	       receive_bare(link, IPC_PROXY_REPLY, &message) &&
	       message.plain.value == 0;
}

void
link_opened(struct monitor_link *link, const struct ipc_opened *opened)
{
	(void)ipc_send(link->fd, opened, sizeof(*opened), NULL, 0);
}

void
link_recovered(struct monitor_link *link, const struct ipc_opened *opened)
{
	union ipc_message message;

	if (ipc_send(link->fd, opened, sizeof(*opened), NULL, 0) == 0)
		(void)receive_bare(link, IPC_END_REPLY, &message);
}

void
link_note(struct monitor_link *link, enum ipc_note note, const char *text)
{
	(void)send_plain(link, IPC_NOTE, note, text);
}

void
link_end(struct monitor_link *link, const struct ipc_end *end)
{
	union ipc_message message;

	if (ipc_send(link->fd, end, sizeof(*end), NULL, 0) == 0)
		(void)receive_bare(link, IPC_END_REPLY, &message);
}

void
link_take_stop(struct monitor_link *link)
{
	union ipc_message message;

	if (link->stop == 0 && receive_bare(link, IPC_STOP, &message))
		take_stop(link, &message);
}

/* The value answered to a question without arguments; or MONITOR_GONE. */
#define MONITOR_GONE UINT32_MAX

static uint32_t
ask(struct monitor_link *link, enum ipc_type question, enum ipc_type answer)
{
	union ipc_message message;

	if (!send_plain(link, question, 0, "") ||
	    !receive_bare(link, answer, &message))
		return MONITOR_GONE;
	return message.plain.value;
}

static enum md_dotlock
host_dotlock(void *ctx)
{
	const uint32_t value = ask(ctx, IPC_DOTLOCK, IPC_DOTLOCK_REPLY);

	return value <= MD_DOTLOCK_FAILED ? (enum md_dotlock)value
	                                  : MD_DOTLOCK_FAILED;
}

/* Waits: a client that was answered shall find no lock of ours. */
static void
host_undotlock(void *ctx)
{
	(void)ask(ctx, IPC_UNDOTLOCK, IPC_UNDOTLOCK_REPLY);
}

static bool
host_backdate(void *ctx)
{
	return ask(ctx, IPC_BACKDATE, IPC_BACKDATE_REPLY) == 0;
}

static bool
host_pause(void *ctx, unsigned ms)
{
	struct monitor_link *link = ctx;
	struct pollfd pair = {.fd = link->fd, .events = POLLIN};

	if (link->stop != 0 && !link->updating)
		return false;
	if (link->updating) {
		clock_sleep(ms);
		return true;
	}
	if (poll(&pair, 1, clock_poll_timeout(clock_now() + ms)) > 0)
		link_take_stop(link);
	return link->stop == 0;
}

static int
host_set_aside(void *ctx)
{
	struct monitor_link *link = ctx;
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t count;

	if (!send_plain(link, IPC_SET_ASIDE, 0, "") ||
	    !receive(link, IPC_SET_ASIDE_REPLY, &message, fds, &count))
		return -1;
	if (count == 1 && message.plain.value == 0)
		return fds[0];
	close_all(fds, count);
	return -1;
}

void
link_host(struct monitor_link *link, struct md_host *host)
{
	*host = (struct md_host){
	    .ctx = link,
	    .dotlock = host_dotlock,
	    .undotlock = host_undotlock,
	    .backdate = host_backdate,
	    .pause = host_pause,
	    .set_aside = host_set_aside,
	};
}
