/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server's
 * side without its secrets. Runs sandboxed. Here messages are taken apart and
 * put together, and channel binding is compared; salt, nonce and verdict are
 * the monitor's, which sees the AuthMessage as one text:
 *
 *   client-first-message-bare , server-first-message ,
 *   client-final-message-without-proof
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "login.h"
#include "sasl.h"
#include "text.h"
#include "tls.h"

static const char malformed[] = "not a message of SCRAM";

bool
scram_can_bind(const struct client *client)
{
	return client->stream.channel.tls != NULL &&
	       tls_has_binding(client->stream.channel.tls);
}

/* Adds to the AuthMessage; false: it does not fit. */
static bool
add(struct sasl_scram *scram, const char *text)
{
	char *message = scram->proof.message;

	return strlcat(message, text, sizeof(scram->proof.message)) <
	       sizeof(scram->proof.message);
}

/* The value of the next attribute if it has this letter, cut off; or NULL. */
static char *
take(char **restp, char letter)
{
	char *text = *restp;

	if (text == NULL || text[0] != letter || text[1] != '=')
		return NULL;
	(void)strsep(restp, ",");
	return text[2] != '\0' ? text + 2 : NULL;
}

/* RFC 5802 section 5.1, n: "=2C" and "=3D", and no other '='. */
static bool
decode_name(const char *text, char *dst, size_t size)
{
	size_t used = 0;

	for (; *text != '\0' && used + 1 < size; text++) {
		if (*text != '=')
			dst[used++] = *text;
		else if (strncmp(text, "=2C", 3) == 0)
			dst[used++] = ',';
		else if (strncmp(text, "=3D", 3) == 0)
			dst[used++] = '=';
		else
			return false;
		if (*text == '=')
			text += 2;
	}
	dst[used] = '\0';
	return *text == '\0' && used > 0;
}

/* What is left of a message; RFC 5802 section 5.1: any attribute but "m". */
static bool
are_extensions(char *rest)
{
	const char *text;

	while ((text = strsep(&rest, ",")) != NULL) {
		if (!isalpha((unsigned char)text[0]) || text[0] == 'm' ||
		    text[1] != '=' || text[2] == '\0')
			return false;
	}
	return true;
}

static bool
is_nonce(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < '!' || *text > '~')
			return false;
	}
	return true;
}

/*
 * gs2-cbind-flag, as it belongs to the mechanism. "y" says that the client
 * thinks we cannot bind: where we can, somebody took -PLUS out of the list.
 */
static const char *
take_flag(struct client *client, const char *flag)
{
	struct sasl_scram *scram = &client->sasl->scram;
	unsigned char data[TLS_BINDING_MAX];

	if (client->sasl->mech == IPC_MECH_SCRAM) {
		scram->proof.foreign = strcmp(flag, "y") == 0 &&
		                       client->sasl->binding_offered;
		return strcmp(flag, "y") == 0 || strcmp(flag, "n") == 0 ? NULL
		                                                        : malformed;
	}
	if (strncmp(flag, "p=", 2) != 0)
		return malformed;
	if (strlcpy(scram->binding, flag + 2, sizeof(scram->binding)) >=
	        sizeof(scram->binding) ||
	    tls_binding(client->stream.channel.tls, scram->binding, data) == 0)
		return "this type of channel binding is not offered";
	return NULL;
}

/* The authzid of the gs2-header, empty or that of the name. */
static const char *
take_authzid(struct client *client, const char *text)
{
	char other[IPC_NAME_MAX];

	if (text[0] == '\0')
		return NULL;
	if (strncmp(text, "a=", 2) != 0 ||
	    !decode_name(text + 2, other, sizeof(other)))
		return malformed;
	return strcmp(other, client->sasl->name) == 0 ? NULL : sasl_other_name;
}

/* Keeps gs2-header and client-first-message-bare as they came. */
static bool
keep_first(struct sasl_scram *scram, const char *data)
{
	const char *bare = strchr(data, ',');
	size_t header;

	if (bare != NULL)
		bare = strchr(bare + 1, ',');
	if (bare == NULL)
		return false;
	header = (size_t)(bare + 1 - data);
	if (header >= sizeof(scram->header))
		return false;
	memcpy(scram->header, data, header);
	return add(scram, bare + 1);
}

/* client-first-message. NULL, or what is wrong with it. */
static const char *
take_first(struct client *client, char *data)
{
	struct sasl_scram *scram = &client->sasl->scram;
	const char *flag, *authzid, *name, *nonce, *fault;
	char *rest = data;

	if (!keep_first(scram, data))
		return malformed;
	flag = strsep(&rest, ",");
	authzid = strsep(&rest, ",");
	name = take(&rest, 'n');
	nonce = take(&rest, 'r');
	if (name == NULL || nonce == NULL || !is_nonce(nonce) ||
	    !decode_name(name, client->sasl->name, sizeof(client->sasl->name)) ||
	    !are_extensions(rest))
		return malformed;
	strlcpy(scram->nonce, nonce, sizeof(scram->nonce));
	fault = take_flag(client, flag);
	return fault != NULL ? fault : take_authzid(client, authzid);
}

/* What "c=" must hold: the gs2-header, and the data of the channel. */
static bool
binds(const struct client *client, const char *encoded)
{
	const struct sasl_scram *scram = &client->sasl->scram;
	unsigned char expected[sizeof(scram->header) + TLS_BINDING_MAX];
	char text[TEXT_BASE64_SIZE(sizeof(expected))];
	size_t header = strlen(scram->header), data = 0;

	memcpy(expected, scram->header, header);
	if (scram->binding[0] != '\0') {
		data = tls_binding(client->stream.channel.tls, scram->binding,
		    expected + header);
		if (data == 0)
			return false;
	}
	text_to_base64(text, expected, header + data);
	return strcmp(text, encoded) == 0;
}

/*
 * client-final-message. NULL, or what is wrong with its form; what belongs to
 * another connection goes to the monitor, to be answered like a wrong proof.
 */
static const char *
take_final(struct client *client, char *data)
{
	struct sasl_scram *scram = &client->sasl->scram;
	struct ipc_proof *proof = &scram->proof;
	char *rest = data, *last = strrchr(data, ','), *binding, *nonce;
	size_t length;

	if (last == NULL || strncmp(last, ",p=", 3) != 0 ||
	    !text_from_base64(last + 3, strlen(last + 3), proof->proof,
	        sizeof(proof->proof), &length) ||
	    length != sizeof(proof->proof))
		return malformed;
	*last = '\0';
	if (!add(scram, ",") || !add(scram, data))
		return malformed;
	binding = take(&rest, 'c');
	nonce = take(&rest, 'r');
	if (binding == NULL || nonce == NULL || !are_extensions(rest))
		return malformed;
	proof->foreign = !binds(client, binding) ||
	                 strcmp(nonce, scram->nonce) != 0;
	return NULL;
}

/* The client has seen the server's signature, and has nothing to add. */
static SASL_STEP(finish)
{
	(void)data;
	if (length != 0)
		return sasl_refuse(client, malformed);
	sasl_cancel(client);
	return login_open(client);
}

/*
 * Asks about the proof; false: it was answered, and *verdictp is what a step
 * returns.
 */
static bool
ask(struct client *client, struct ipc_login_reply *reply, enum verdict *verdictp)
{
	struct ipc_proof *proof = &client->sasl->scram.proof;
	bool answered;

	proof->type = IPC_PROOF;
	stream_flush(&client->stream);
	answered = link_proof(&client->link, proof, reply, &client->fds);
	if (login_permitted(client, answered, reply, verdictp))
		return true;
	sasl_cancel(client);
	return false;
}

static SASL_STEP(take_proof)
{
	const char *fault = strlen(data) == length ? take_final(client, data)
	                                           : malformed;
	char text[2 + TEXT_BASE64_SIZE(IPC_KEY_SIZE)] = "v=";
	struct ipc_login_reply reply;
	enum verdict verdict;

	if (fault != NULL)
		return sasl_refuse(client, fault);
	if (!ask(client, &reply, &verdict))
		return verdict;
	text_to_base64(text + 2, reply.signature, sizeof(reply.signature));
	return sasl_challenge(client, text, finish);
}

/* server-first-message: the nonce of both, salt and iterations. */
static enum verdict
send_challenge(struct client *client, const struct ipc_challenge *challenge)
{
	struct sasl_scram *scram = &client->sasl->scram;
	char text[IPC_AUTH_SIZE];
	size_t length;

	strlcat(scram->nonce, challenge->nonce, sizeof(scram->nonce));
	length = (size_t)snprintf(text, sizeof(text), "r=%s,s=%s,i=%u",
	    scram->nonce, challenge->salt, challenge->iterations);
	if (length >= sizeof(text) || !add(scram, ",") || !add(scram, text))
		return sasl_refuse(client, malformed);
	return sasl_challenge(client, text, take_proof);
}

/* RFC 5802 section 6: it fails. The monitor knows why, and has it logged. */
static enum verdict
refuse_downgrade(struct client *client)
{
	struct ipc_login_reply reply;
	enum verdict verdict;

	return ask(client, &reply, &verdict) ? sasl_refuse(client, malformed)
	                                     : verdict;
}

SASL_STEP(scram_start)
{
	const char *fault = strlen(data) == length ? take_first(client, data)
	                                           : malformed;
	struct ipc_challenge challenge;

	if (fault != NULL)
		return sasl_refuse(client, fault);
	stream_flush(&client->stream);
	if (!link_scram(&client->link, client->sasl->mech, client->sasl->name,
	        &challenge))
		return client_end(client, IPC_END_ERROR, DROP);
	if (client->link.stop != 0)
		return client_end(client, client->link.stop, DROP);
	if (challenge.iterations == 0) {
		sasl_refuse(client, "[SYS/TEMP] mail is out of reach, try later");
		return client_failed(client);
	}
	if (client->sasl->scram.proof.foreign)
		return refuse_downgrade(client);
	client->sasl->challenged = true;
	return send_challenge(client, &challenge);
}
