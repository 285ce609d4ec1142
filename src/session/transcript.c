/*
 * Recording a handshake, message by message, while it goes on. Runs sandboxed.
 * Nothing is understood here but the type of the last message; those who
 * believe it read it in src/session/handshake.c.
 */
#include "transcript.h"

#include <stdlib.h>
#include <string.h>

#include "ipc.h"

/* RFC 8446 section 4.4.3. */
#define CERTIFICATE_VERIFY 15

void
transcript_forget(struct transcript *transcript)
{
	free(transcript->octets);
	*transcript = (struct transcript){.done = true};
}

void
transcript_add(struct transcript *transcript, bool received,
    const unsigned char *message, size_t length)
{
	unsigned char *longer = NULL;

	if (transcript->done)
		return;
	if (length > 0 && length <= IPC_HANDSHAKE_MAX - transcript->length)
		longer = realloc(transcript->octets, transcript->length + length);
	if (longer == NULL) {
		transcript_forget(transcript);
		return;
	}
	memcpy(longer + transcript->length, message, length);
	transcript->octets = longer;
	transcript->length += length;
	transcript->done = received && message[0] == CERTIFICATE_VERIFY;
}

bool
transcript_whole(const struct transcript *transcript)
{
	return transcript->done && transcript->octets != NULL;
}
