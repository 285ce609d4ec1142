/*
 * What command handlers do to their client: say something, change the state,
 * turn to TLS, let go of the maildrop, end. Runs sandboxed.
 */
#include "client.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "tls.h"

enum verdict
client_end(struct client *client, enum ipc_end_reason reason, enum verdict verdict)
{
	if (client->reason == 0)
		client->reason = reason;
	return verdict;
}

enum verdict
client_failed(struct client *client)
{
	if (++client->failures < client->setup->config->auth.max_attempts)
		return GO_ON;
	return client_end(client, IPC_END_ERROR, CLOSE);
}

void
client_enter(struct client *client, enum state state)
{
	client->state = state;
}

void
client_tally_left(struct client *client)
{
	client->tally.left = maildrop_live(client->maildrop);
	client->tally.octets_left = maildrop_octets(client->maildrop);
}

void
client_release(struct client *client)
{
	const int fds[] = {client->fds.mbox, client->fds.index,
	    client->fds.journal};

	maildrop_close(client->maildrop);
	client->maildrop = NULL;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] != -1)
			close(fds[i]);
	}
	client->fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
}

void
client_say(struct client *client, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stream_vformat(&client->stream, language_text(client->language, fmt), ap);
	va_end(ap);
	stream_put(&client->stream, "\r\n", 2);
}

enum verdict
client_refuse(struct client *client, const char *text)
{
	client_say(client, "-ERR %s", language_text(client->language, text));
	return GO_ON;
}

/* Why, as one word for the log; a client that just went away is no news. */
static void
note_handshake(struct client *client)
{
	const struct tls *tls = client->stream.channel.tls;
	const char *fault = tls != NULL ? tls_fault(tls) : NULL;
	char word[IPC_NAME_MAX];

	if (client->stream.fault == STREAM_STALLED)
		fault = "timeout";
	if (fault == NULL)
		return;
	strlcpy(word, fault, sizeof(word));
	for (char *blank = word; (blank = strchr(blank, ' ')) != NULL;)
		*blank = '-';
	link_note(&client->link, IPC_NOTE_HANDSHAKE, word);
}

/* What shows that the client has its certificate; only the monitor believes it. */
static void
hand_over(struct client *client)
{
	struct tls *tls = client->stream.channel.tls;
	size_t length;
	const unsigned char *octets = tls_transcript(tls, &length);

	client->certified = octets != NULL &&
	                    link_handshake(&client->link, octets, length);
	tls_forget_transcript(tls);
}

bool
client_start_tls(struct client *client)
{
	if (stream_start_tls(&client->stream, client->setup->tls,
	        client->setup->config->session.tls_timeout_ms)) {
		client->link.tls = tls_version(client->stream.channel.tls);
		hand_over(client);
		return true;
	}
	note_handshake(client);
	return false;
}
