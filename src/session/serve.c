/*
 * The entries that serve a client, recover a maildrop and try the sandbox, and
 * the session's one loop: turn by turn to its end. Runs as the session's user,
 * sandboxed from the first line of session_serve() on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "pages.h"
#include "proxy.h"
#include "sandbox.h"
#include "turn.h"

/* How long a proxy may take for its header. */
#define PROXY_WAIT_MS 3000

static void
greet(struct client *client)
{
	if (client->setup->stamp[0] != '\0')
		client_say(client, "+OK POP3 server ready %s",
		    client->setup->stamp);
	else
		client_say(client, "+OK POP3 server ready");
}

/* Tells the monitor how the session ended, unless QUIT did so already. */
static void
finish(struct client *client)
{
	struct ipc_end *tally = &client->tally;

	if (client->state == UPDATE)
		return;
	if (client->state == TRANSACTION) {
		tally->dele_pending = maildrop_count(client->maildrop) -
		                      maildrop_live(client->maildrop);
		maildrop_undelete_all(client->maildrop);
		client_tally_left(client);
	}
	client_release(client);
	tally->reason = client->reason;
	link_end(&client->link, tally);
}

/*
 * A trusted proxy's header, octet for octet, so that what follows it is still
 * unread for TLS. NULL: there is one; else a word for the log, which is empty
 * where the proxy just went away, as a look at its server's health does.
 */
static const char *
read_proxy(struct channel *channel, struct proxy_header *header)
{
	const uint64_t deadline = clock_now() + PROXY_WAIT_MS;
	enum proxy_result result = PROXY_MORE;
	enum channel_result got;
	char octets[PROXY_MAX];
	size_t length = 0, n;

	while (result == PROXY_MORE) {
		got = channel_read(channel, octets + length, header->need, deadline,
		    &n);
		if (got != CHANNEL_DONE)
			return got == CHANNEL_LATE ? "timeout" : "";
		length += n;
		result = proxy_parse(octets, length, header);
	}
	return result == PROXY_DONE ? NULL : "bad";
}

/* Without a good header in time the connection ends. */
static bool
take_proxy(struct client *client)
{
	struct proxy_header header = {.need = 1};
	const char *fault = read_proxy(&client->stream.channel, &header);

	if (fault != NULL) {
		if (fault[0] != '\0')
			link_note(&client->link, IPC_NOTE_NO_PROXY, fault);
		return false;
	}
	if (header.known)
		client->local = network_is_loopback(header.address);
	if (link_proxy(&client->link, header.known ? header.address : NULL))
		return true;
	client_refuse(client, "[SYS/TEMP] too many connections from your address");
	return false;
}

/* What comes before the first command; false: the connection is to end. */
static bool
begin(struct client *client)
{
	if (client->setup->proxy && !take_proxy(client)) {
		client_end(client, IPC_END_ERROR, CLOSE);
		return false;
	}
	if (!client->setup->tls_now || client_start_tls(client))
		greet(client);
	return true;
}

static void
serve(struct client *client)
{
	enum verdict verdict = begin(client) ? GO_ON : CLOSE;

	while (verdict == GO_ON)
		verdict = turn_take(client);
	finish(client);
	if (verdict == CLOSE)
		stream_close(&client->stream);
}

static void
rest(void *ctx)
{
	const struct client *client = ctx;

	if (client->maildrop != NULL)
		maildrop_rest(client->maildrop);
}

/*
 * Why it is not in its sandbox, as exit status: that is all that the monitor gets.
 * An id that could be taken back leaves no errno.
 */
static int
reason(void)
{
	return errno != 0 ? errno : EXIT_FAILURE;
}

void
session_serve(const struct session_setup *setup)
{
	struct client *client;

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	if (sandbox_enter(setup->sandbox, SANDBOX_SERVE, setup->monitor) != NULL)
		_exit(reason());
	client = pages_new(sizeof(*client));
	if (client == NULL)
		_exit(errno);
	client->setup = setup;
	client_enter(client, AUTHORIZATION);
	client->language = &languages[0];
	client->local = setup->local;
	client->fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	client->link.fd = setup->pair;
	client->tally.type = IPC_END;
	if (!stream_open(&client->stream, setup->client_in, setup->client_out,
	        &client->link))
		_exit(errno);
	client->stream.rest = rest;
	client->stream.rest_ctx = client;
	client->stream.idle_ms = setup->config->session.idle_timeout_ms;
	client->stream.stall_ms = setup->config->session.stall_timeout_ms;
	serve(client);
	_exit(EXIT_SUCCESS);
}

void
session_recover(const struct session_setup *setup, const struct md_fds *fds)
{
	struct monitor_link link = {.fd = setup->pair};
	struct ipc_opened opened = {.type = IPC_OPENED};
	enum md_recovery recovery = MD_RECOVERY_NONE;
	const struct md_limits limits = {
	    .lock_wait_ms = (uint32_t)setup->config->maildrop.lock_wait_ms,
	};
	struct md_host host;

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	if (sandbox_enter(setup->sandbox, SANDBOX_RECOVER, setup->monitor) != NULL)
		_exit(reason());
	link_host(&link, &host);
	opened.error = maildrop_recover(fds, &limits, &host, &recovery);
	opened.recovered = recovery == MD_RECOVERY_DONE;
	link_recovered(&link, &opened);
	_exit(EXIT_SUCCESS);
}

void
session_try(const struct sandbox *sandbox, int pair, pid_t parent)
{
	const char *failed = sandbox_enter(sandbox, SANDBOX_SERVE, parent);
	char octet = 0;

	if (failed != NULL) {
		log_error("sessions cannot enter their sandbox: %s: %s", failed,
		    strerror(errno));
		_exit(EXIT_FAILURE);
	}
	/* stays until the parent has seen whether it could end it */
	if (write(pair, &octet, 1) == -1 || read(pair, &octet, 1) == -1)
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}
