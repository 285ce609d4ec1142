/*
 * The handshake of a connection as it is recorded for the monitor.
 */
#ifndef POPLAR_SESSION_TRANSCRIPT_H
#define POPLAR_SESSION_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed is empty. */
struct transcript {
	unsigned char *octets; /* NULL: nothing, or given up */
	size_t length;
	bool done; /* no more to come, and all of it is here if there are octets */
};

/*
 * Adds a message of TLS's; received: it is the client's. The client's
 * CertificateVerify is the last that is taken. What does not fit, or has no
 * memory, empties the transcript for good.
 */
void transcript_add(struct transcript *transcript, bool received,
    const unsigned char *message, size_t length);

/* Whether all is there that shows whose certificate it was. */
bool transcript_whole(const struct transcript *transcript);

/* Empties it for good. */
void transcript_forget(struct transcript *transcript);

#endif
