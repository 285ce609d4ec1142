/*
 * The session's end of the pair: what it asks of its monitor and waits for, and
 * what it tells it without an answer; that a monitor is gone shows at the next
 * question. A wish to stop that arrives meanwhile is kept in `stop`.
 */
#ifndef POPLAR_SESSION_MONITOR_LINK_H
#define POPLAR_SESSION_MONITOR_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc.h"
#include "maildrop.h"

struct monitor_link {
	int fd;
	bool updating;            /* in UPDATE a wish to stop waits */
	uint32_t tls;             /* version on the wire, for the log; 0: none */
	enum ipc_end_reason stop; /* what the monitor wishes; 0: nothing */
};

/*
 * Sends name and secret (wiped from the message at once) and waits for the
 * verdict. The descriptors are put into fds, -1 where there is none; they are
 * the caller's. False: the monitor is gone or broke the protocol.
 */
bool link_login(struct monitor_link *link, enum ipc_mech mech, const char *user,
    const char *secret, struct ipc_login_reply *reply, struct md_fds *fds);

/*
 * Tells the client's address that a proxy claims; NULL: it speaks for itself.
 * False: too many connections from there, or the monitor is gone.
 */
bool link_proxy(struct monitor_link *link, const unsigned char *address);

/*
 * Tells, in pieces, what shows that the client has its certificate. False: it
 * could not be sent whole.
 */
bool link_handshake(struct monitor_link *link, const unsigned char *octets,
    size_t length);

/* SCRAM's first step. False as of link_login(). */
bool link_scram(struct monitor_link *link, enum ipc_mech mech, const char *user,
    struct ipc_challenge *challenge);

/* Its last step, as link_login(). The proof is wiped. */
bool link_proof(struct monitor_link *link, struct ipc_proof *proof,
    struct ipc_login_reply *reply, struct md_fds *fds);

/* Tells how maildrop_open() went. */
void link_opened(struct monitor_link *link, const struct ipc_opened *opened);

/*
 * Tells how maildrop_recover() went and waits until that is known: a wish to stop
 * left unread at the exit would take it from the pair.
 */
void link_recovered(struct monitor_link *link, const struct ipc_opened *opened);

/* Tells an event for the log; text is cut here, and made safe there. */
void link_note(struct monitor_link *link, enum ipc_note note, const char *text);

/* Tells the end and waits until the monitor has let go of the maildrop. */
void link_end(struct monitor_link *link, const struct ipc_end *end);

/* Takes a message that is there although nothing was asked: a wish to stop. */
void link_take_stop(struct monitor_link *link);

/* The maildrop's host, asking over this link, which it borrows. */
void link_host(struct monitor_link *link, struct md_host *host);

#endif
