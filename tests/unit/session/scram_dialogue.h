/*
 * SCRAM up to the server's first message, with a monitor that knows one
 * challenge, and the proof that it is given.
 */
#ifndef POPLAR_TESTS_SCRAM_DIALOGUE_H
#define POPLAR_TESTS_SCRAM_DIALOGUE_H

#include "dialogue.h"

#define MALFORMED "not a message of SCRAM"
#define SERVER "3rfcNHYJY1ZVvWVs7j"
#define SALT "QSXCR+Q6sek8bf92"
#define FIRST "n,,n=mrose,r=abc"
#define PROOF "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" /* 32 times 'A' */
#define FINAL "c=biws,r=abc" SERVER

static inline void
answers_challenge(struct dialogue *d, uint32_t iterations)
{
	const struct ipc_challenge challenge = {.type = IPC_CHALLENGE,
	    .iterations = iterations,
	    .salt = SALT,
	    .nonce = SERVER};

	answers(d, &challenge, sizeof(challenge), 0);
}

/* Up to the server's first message. */
static inline void
begin(struct dialogue *d, const char *mechanism, const char *first)
{
	union ipc_message message;
	char command[64], text[256];

	snprintf(command, sizeof(command), "AUTH %s ", mechanism);
	answers_challenge(d, 4096);
	say64(d, command, first, strlen(first));
	assert_challenged(d, text, sizeof(text));
	assert_int_equal(asked(d, &message), IPC_SCRAM);
}

/* The proof as the monitor got it. */
static inline void
assert_proof(struct dialogue *d, bool foreign, const char *text)
{
	static const char proof[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	union ipc_message message;

	assert_int_equal(asked(d, &message), IPC_PROOF);
	assert_int_equal(message.proof.foreign, foreign);
	assert_memory_equal(message.proof.proof, proof, IPC_KEY_SIZE);
	if (text != NULL)
		assert_string_equal(message.proof.message, text);
}

/* A text with so many octets of 'x' in the place of its '*'. */
static inline const char *
stretched(const char *text, size_t count)
{
	static char all[2 * STREAM_AUTH_MAX];
	const char *star = strchr(text, '*');

	snprintf(all, sizeof(all), "%.*s%*s%s", (int)(star - text), text,
	    (int)count, "", star + 1);
	for (size_t i = 0; i < count; i++)
		all[star - text + (ptrdiff_t)i] = 'x';
	return all;
}

#endif
