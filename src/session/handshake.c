/*
 * Reader of a recorded handshake. Runs sandboxed, in a process that is there
 * for nothing else; the input is whatever a session, taken over perhaps, says
 * that its client and it have sent. Every length is checked against what is
 * left, every vector must be used up, and a message that is not the next one
 * ends it: there are no messages to skip, and no unknown ones.
 */
#include "handshake.h"

#include <string.h>

#include "session.h"

/* RFC 8446 section 4. */
enum {
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	ENCRYPTED_EXTENSIONS = 8,
	CERTIFICATE = 11,
	CERTIFICATE_REQUEST = 13,
	CERTIFICATE_VERIFY = 15,
	FINISHED = 20
};

#define RANDOM_SIZE 32

/* The random of a ServerHello that is a HelloRetryRequest (section 4.1.3). */
static const unsigned char retry_random[RANDOM_SIZE] = {0xcf, 0x21, 0xad, 0x74,
    0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
    0x33, 0x9c};

/* Cuts the first octets off. */
static bool
take(struct octets *from, size_t count, struct octets *part)
{
	if (count > from->left)
		return false;
	*part = (struct octets){from->at, count};
	from->at += count;
	from->left -= count;
	return true;
}

/* A number of up to three octets, the highest first. */
static bool
take_number(struct octets *from, size_t size, unsigned *numberp)
{
	struct octets part;

	if (!take(from, size, &part))
		return false;
	*numberp = 0;
	for (size_t i = 0; i < size; i++)
		*numberp = *numberp << 8 | part.at[i];
	return true;
}

/* A vector behind its length, which is a number of that size. */
static bool
take_vector(struct octets *from, size_t size, struct octets *vector)
{
	unsigned length;

	return take_number(from, size, &length) && take(from, length, vector);
}

/* The next message, which must be of this type. */
static bool
take_message(struct octets *from, unsigned type, struct octets *body)
{
	unsigned found;

	return take_number(from, 1, &found) && found == type &&
	       take_vector(from, 3, body);
}

/* One of a list of extensions, each of a type and a vector. */
static bool
take_extension(struct octets *list, unsigned *typep, struct octets *data)
{
	return take_number(list, 2, typep) && take_vector(list, 2, data);
}

/* ServerHello or HelloRetryRequest: section 4.1.3. */
static bool
take_server_hello(struct octets *from, bool *retryp, unsigned *cipherp)
{
	struct octets body, random, part;
	unsigned version, compression;

	if (!take_message(from, SERVER_HELLO, &body) ||
	    !take_number(&body, 2, &version) ||
	    !take(&body, RANDOM_SIZE, &random) || !take_vector(&body, 1, &part) ||
	    !take_number(&body, 2, cipherp) ||
	    !take_number(&body, 1, &compression) || compression != 0 ||
	    !take_vector(&body, 2, &part))
		return false;
	*retryp = memcmp(random.at, retry_random, RANDOM_SIZE) == 0;
	return body.left == 0;
}

/* Both hellos, and those that a HelloRetryRequest came between. */
static bool
take_hellos(struct octets *from, struct handshake *handshake)
{
	const unsigned char *first = from->at;
	struct octets hello;
	bool retry;

	if (!take_message(from, CLIENT_HELLO, &hello))
		return false;
	handshake->covered.at = from->at;
	if (!take_server_hello(from, &retry, &handshake->cipher))
		return false;
	if (!retry) {
		handshake->covered.at = first;
		return true;
	}
	handshake->retried.at = first;
	handshake->retried.left = (size_t)(handshake->covered.at - first);
	return take_message(from, CLIENT_HELLO, &hello) &&
	       take_server_hello(from, &retry, &handshake->cipher) && !retry;
}

/* What needs no look; a signature covers it. */
static bool
take_any(struct octets *body, struct handshake *handshake)
{
	(void)handshake;
	body->left = 0;
	return true;
}

/* Section 4.3.2. Our extension is there once. */
static bool
take_request(struct octets *body, struct handshake *handshake)
{
	struct octets context, extensions, data;
	unsigned type, found = 0;

	if (!take_vector(body, 1, &context) || context.left != 0 ||
	    !take_vector(body, 2, &extensions))
		return false;
	while (extensions.left > 0) {
		if (!take_extension(&extensions, &type, &data))
			return false;
		if (type == SESSION_NONCE_EXTENSION && found++ == 0)
			handshake->nonce = data;
	}
	return found == 1;
}

bool
handshake_certificate(struct octets *chain, struct octets *certificate)
{
	struct octets extensions;

	return take_vector(chain, 3, certificate) && certificate->left > 0 &&
	       take_vector(chain, 2, &extensions);
}

/* Section 4.4.2: at least one certificate, and all of them whole. */
static bool
take_chain(struct octets *body, struct octets *chain)
{
	struct octets context, rest, certificate;

	if (!take_vector(body, 1, &context) || context.left != 0 ||
	    !take_vector(body, 3, chain) || chain->left == 0)
		return false;
	rest = *chain;
	while (rest.left > 0) {
		if (!handshake_certificate(&rest, &certificate))
			return false;
	}
	return true;
}

static bool
take_server_chain(struct octets *body, struct handshake *handshake)
{
	struct octets chain;

	return take_chain(body, &chain) &&
	       handshake_certificate(&chain, &handshake->server);
}

static bool
take_client_chain(struct octets *body, struct handshake *handshake)
{
	return take_chain(body, &handshake->chain);
}

/* Section 4.4.3. */
static bool
take_signature(struct octets *body, struct handshake *handshake)
{
	return take_number(body, 2, &handshake->scheme) &&
	       take_vector(body, 2, &handshake->signature);
}

/* What follows the hellos. */
static const struct {
	unsigned type;
	bool (*take)(struct octets *body, struct handshake *handshake);
} messages[] = {
    {ENCRYPTED_EXTENSIONS, take_any         },
    {CERTIFICATE_REQUEST,  take_request     },
    {CERTIFICATE,          take_server_chain},
    {CERTIFICATE_VERIFY,   take_any         },
    {FINISHED,             take_any         },
    {CERTIFICATE,          take_client_chain},
    {CERTIFICATE_VERIFY,   take_signature   },
};

bool
handshake_parse(const unsigned char *data, size_t length,
    struct handshake *handshake)
{
	struct octets rest = {data, length}, body;
	const unsigned char *last = data;

	memset(handshake, 0, sizeof(*handshake));
	if (!take_hellos(&rest, handshake))
		return false;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		last = rest.at;
		if (!take_message(&rest, messages[i].type, &body) ||
		    !messages[i].take(&body, handshake) || body.left != 0)
			return false;
	}
	handshake->covered.left = (size_t)(last - handshake->covered.at);
	return rest.left == 0;
}
