/*
 * A session from its first line to its end, over a pipe, with a monitor that
 * refuses or accepts every login as the first octet of the input says, and a
 * maildrop of three messages. What would reach the monitor is terminated and
 * within its limits; an attempt that has ended expects no response; nobody
 * holds a maildrop before he was accepted; and only QUIT changes it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/language.h"
#include "session/sasl.h"
#include "session/turn.h"

#define NONCE "3rfcNHYJY1ZVvWVs7j"
#define INPUT_MAX 65536 /* which a socket takes at once */

/* The bits of the first octet. */
enum { ACCEPTED = 1, READ_ONLY = 2, UTF8_OFFERED = 4, NO_CLEARTEXT = 8 };

static const char mail[] = "From mrose@dbc.mtview.ca.us Thu Nov 24 18:22:48 1994\n"
                           "Subject: one\n\n.\n..\nends in a dot.\r\n\n"
                           "From dewey@dbc.mtview.ca.us Thu Nov 24 18:22:49 1994\n"
                           "Subject: gr\303\274\303\237e\n\nzwei\n\n"
                           "From usg@dbc.mtview.ca.us Thu Nov 24 18:22:50 1994\n"
                           "no empty line";

/* What the process keeps from one session to the next. */
static struct {
	char path[64];
	int mbox, index, journal, null;
	unsigned choices; /* of the session that runs */
} place = {.mbox = -1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
	if (!truth)
		abort();
}

static void
remove_place(void)
{
	(void)unlink(place.path);
}

/* A file with a name, since a maildrop has one, and an empty index and journal. */
static void
lay_out(void)
{
	if (place.mbox == -1) {
		strlcpy(place.path, "/dev/shm/poplar-fuzz-XXXXXX",
		    sizeof(place.path));
		place.mbox = mkstemp(place.path);
		atexit(remove_place);
		place.index = memfd_create("index", 0);
		place.journal = memfd_create("journal", 0);
		place.null = open("/dev/null", O_RDWR);
	}
	require(ftruncate(place.mbox, 0) == 0 && ftruncate(place.index, 0) == 0 &&
	        ftruncate(place.journal, 0) == 0 &&
	        pwrite(place.mbox, mail, sizeof(mail) - 1, 0) == sizeof(mail) - 1);
}

static bool
is_unchanged(void)
{
	char now[sizeof(mail)];

	return pread(place.mbox, now, sizeof(now), 0) == sizeof(mail) - 1 &&
	       memcmp(now, mail, sizeof(mail) - 1) == 0;
}

/* What the session asks of its monitor, in the place of src/session/monitor_link.c. */

static bool
answer(struct ipc_login_reply *reply, struct md_fds *fds)
{
	memset(reply, 0, sizeof(*reply));
	*fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	reply->result = IPC_RESULT_DENIED;
	if ((place.choices & ACCEPTED) == 0)
		return true;
	reply->result = IPC_RESULT_OK;
	fds->mbox = dup(place.mbox);
	fds->index = dup(place.index);
	fds->journal = dup(place.journal);
	fds->writable = (place.choices & READ_ONLY) == 0;
	return true;
}

bool
link_login(struct monitor_link *link, enum ipc_mech mech, const char *user,
    const char *secret, struct ipc_login_reply *reply, struct md_fds *fds)
{
	(void)link;
	require(mech > 0 && mech < IPC_MECHS);
	require(user[0] != '\0' && strlen(user) < IPC_NAME_MAX);
	require(secret[0] != '\0' && strlen(secret) < IPC_SECRET_MAX);
	require((place.choices & NO_CLEARTEXT) == 0 || mech == IPC_MECH_APOP);
	return answer(reply, fds);
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
link_handshake(struct monitor_link *link, const unsigned char *octets,
    size_t length)
{
	(void)link;
	(void)octets;
	(void)length;
	return false;
}

bool
link_proof(struct monitor_link *link, struct ipc_proof *proof,
    struct ipc_login_reply *reply, struct md_fds *fds)
{
	(void)link;
	require(memchr(proof->message, '\0', sizeof(proof->message)) != NULL);
	require(strncmp(proof->message, "n=", 2) == 0);
	require(
	    strstr(proof->message, NONCE ",s=QSXCR+Q6sek8bf92,i=4096,c=") != NULL);
	return answer(reply, fds);
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
	require(opened->error == MD_OK && opened->messages == 3);
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
	require(end->error == MD_OK);
}

void
link_take_stop(struct monitor_link *link)
{
	(void)link;
}

static enum md_dotlock
host_dotlock(void *ctx)
{
	(void)ctx;
	return MD_DOTLOCK_OK;
}

static void
host_undotlock(void *ctx)
{
	(void)ctx;
}

static bool
host_backdate(void *ctx)
{
	(void)ctx;
	return false;
}

static bool
host_pause(void *ctx, unsigned ms)
{
	(void)ctx;
	(void)ms;
	return true;
}

static int
host_set_aside(void *ctx)
{
	(void)ctx;
	return -1;
}

void
link_host(struct monitor_link *link, struct md_host *host)
{
	*host = (struct md_host){link, host_dotlock, host_undotlock, host_backdate,
	    host_pause, host_set_aside};
}

/* One turn; false: the session ends. */
static bool
take(struct client *client)
{
	enum verdict verdict = turn_take(client);

	require(client->stream.responding == (client->sasl != NULL) ||
	        verdict != GO_ON);
	require(client->fds.index == -1 || (place.choices & ACCEPTED) != 0);
	require(client->fds.index == -1 || client->sasl != NULL ||
	        client->state == TRANSACTION || verdict != GO_ON);
	require(client->state == UPDATE || is_unchanged());
	return verdict == GO_ON;
}

static void
serve(const struct session_setup *setup, int in)
{
	static struct client client;

	memset(&client, 0, sizeof(client));
	client.setup = setup;
	client.state = AUTHORIZATION;
	client.language = &languages[0];
	client.fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	/* what is never readable stands for the pair */
	client.link.fd = -1;
	require(stream_open(&client.stream, in, place.null, &client.link));
	client.stream.idle_ms = client.stream.stall_ms = 1000;
	while (take(&client))
		continue;
	require(client.state == UPDATE || is_unchanged());
	sasl_cancel(&client);
	client_release(&client);
	(void)munmap(client.stream.outbuf, STREAM_OUT_SIZE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char mechanisms[] = "SCRAM-SHA-256 PLAIN LOGIN EXTERNAL",
	            expire[] = "never";
	struct config config = {
	    .auth = {.mechanisms = mechanisms, .max_attempts = 3},
	    .session = {.expire = expire                       },
	};
	const struct session_setup setup = {.config = &config,
	    .sid = "5f3a",
	    .stamp = "<1896.697170952@dbc.mtview.ca.us>"};
	int wire[2];

	if (size == 0 || size > INPUT_MAX)
		return 0;
	lay_out();
	place.choices = data[0];
	config.session.utf8 = (place.choices & UTF8_OFFERED) != 0;
	config.auth.cleartext = (place.choices & NO_CLEARTEXT) != 0
	                            ? CLEARTEXT_NEVER
	                            : CLEARTEXT_ALWAYS;
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, wire) == 0);
	require(write(wire[0], data + 1, size - 1) == (ssize_t)(size - 1));
	close(wire[0]);
	serve(&setup, wire[1]);
	close(wire[1]);
	return 0;
}
