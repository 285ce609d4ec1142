/*
 * AUTH, line by line as a client sends it, with a monitor that knows one
 * challenge and refuses or accepts as the first octet of the input says. What
 * would reach the monitor is terminated and within its limits; no line but
 * the last step of SCRAM leaves the session with a maildrop; an attempt that
 * has ended expects no response.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "session/command.h"
#include "session/language.h"
#include "session/sasl.h"

#define NONCE "3rfcNHYJY1ZVvWVs7j"
#define LINE_MAX_HERE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
	if (!truth)
		abort();
}

/* What the session asks of its monitor, in the place of src/session/monitor_link.c. */

static bool
answer(const struct monitor_link *link, struct ipc_login_reply *reply,
    struct md_fds *fds)
{
	const bool accepts = link->tls != 0;

	memset(reply, 0, sizeof(*reply));
	*fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	reply->result = accepts ? IPC_RESULT_OK : IPC_RESULT_DENIED;
	if (accepts)
		fds->index = open("/dev/null", O_RDWR);
	return true;
}

bool
link_login(struct monitor_link *link, enum ipc_mech mech, const char *user,
    const char *secret, struct ipc_login_reply *reply, struct md_fds *fds)
{
	require(mech > 0 && mech < IPC_MECHS);
	require(user[0] != '\0' && strlen(user) < IPC_NAME_MAX);
	require(secret[0] != '\0' && strlen(secret) < IPC_SECRET_MAX);
	link->tls = 0; /* no maildrop is opened here */
	return answer(link, reply, fds);
}

bool
link_handshake(struct monitor_link *link, const unsigned char *octets,
    size_t length)
{
	(void)link;
	(void)octets;
	(void)length;
	return false;
}

bool
link_scram(struct monitor_link *link, enum ipc_mech mech, const char *user,
    struct ipc_challenge *challenge)
{
	(void)link;
	require(mech == IPC_MECH_SCRAM && user[0] != '\0' &&
	        strlen(user) < IPC_NAME_MAX);
	*challenge = (struct ipc_challenge){.type = IPC_CHALLENGE,
	    .iterations = 4096,
	    .salt = "QSXCR+Q6sek8bf92"};
	strlcpy(challenge->nonce, NONCE, sizeof(challenge->nonce));
	return true;
}

bool
link_proof(struct monitor_link *link, struct ipc_proof *proof,
    struct ipc_login_reply *reply, struct md_fds *fds)
{
	require(memchr(proof->message, '\0', sizeof(proof->message)) != NULL);
	require(strncmp(proof->message, "n=", 2) == 0);
	require(
	    strstr(proof->message, NONCE ",s=QSXCR+Q6sek8bf92,i=4096,c=") != NULL);
	return answer(link, reply, fds);
}

bool
link_proxy(struct monitor_link *link, const unsigned char *address)
{
	(void)link;
	(void)address;
	return false;
}

void
link_opened(struct monitor_link *link, const struct ipc_opened *opened)
{
	(void)link;
	(void)opened;
}

void
link_note(struct monitor_link *link, enum ipc_note note, const char *text)
{
	(void)link;
	require(note < IPC_NOTES && strlen(text) < IPC_NAME_MAX);
}

void
link_end(struct monitor_link *link, const struct ipc_end *end)
{
	(void)link;
	(void)end;
}

void
link_take_stop(struct monitor_link *link)
{
	(void)link;
}

void
link_host(struct monitor_link *link, struct md_host *host)
{
	(void)link;
	memset(host, 0, sizeof(*host));
}

static void
start(struct client *client, const struct session_setup *setup, bool accepts)
{
	static int null = -1;

	if (null == -1)
		null = open("/dev/null", O_RDWR);
	memset(client, 0, sizeof(*client));
	client->setup = setup;
	client->state = AUTHORIZATION;
	client->language = &languages[0];
	client->fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	client->link.tls = accepts;
	stream_open(&client->stream, null, null, null);
	client->stream.fault = STREAM_BROKEN; /* output goes nowhere */
}

/* One line, as the loop of the session takes it; false: the session ends. */
static bool
take(struct client *client, char *line, size_t length)
{
	enum verdict verdict = client->sasl != NULL
	                           ? sasl_response(client, line, length)
	                           : command_run(client, line, length);

	require(client->stream.responding == (client->sasl != NULL) ||
	        verdict != GO_ON);
	require(client->fds.index == -1 || client->sasl != NULL ||
	        client->state == TRANSACTION || verdict != GO_ON);
	return verdict == GO_ON && client->state == AUTHORIZATION;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client client;
	static char mechanisms[] = "SCRAM-SHA-256 PLAIN LOGIN EXTERNAL",
	            expire[] = "never";
	static struct config config = {
	    .auth = {.mechanisms = mechanisms,
	             .cleartext = CLEARTEXT_ALWAYS,
	             .max_attempts = 3},
	    .session = {.expire = expire       },
	};
	static const struct session_setup setup = {.config = &config};
	const char *text = (const char *)data, *end = text + size, *lf;
	bool going = true;

	if (size == 0)
		return 0;
	start(&client, &setup, (*text++ & 1) != 0);
	for (; going && (lf = memchr(text, '\n', (size_t)(end - text))) != NULL;
	     text = lf + 1) {
		char line[LINE_MAX_HERE];
		size_t length = (size_t)(lf - text);

		if (length >= sizeof(line))
			continue;
		memcpy(line, text, length);
		line[length] = '\0';
		if (client.sasl == NULL && strncasecmp(line, "AUTH", 4) != 0)
			continue;
		going = take(&client, line, length);
		client.stream.filled = 0;
	}
	sasl_cancel(&client);
	client_release(&client);
	(void)munmap(client.stream.outbuf, STREAM_OUT_SIZE);
	return 0;
}
