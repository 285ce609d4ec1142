/*
 * A running monitor, for the files that it is made of: what it holds, and what
 * each of them may do with that.
 */
#ifndef POPLAR_PRIV_RUNNING_H
#define POPLAR_PRIV_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

#include "auth.h"
#include "monitor.h"
#include "opening.h"

/* What the session may ask for now; bits, so that a request can name several. */
enum phase {
	PHASE_LOGIN = 1,    /* before a login has succeeded */
	PHASE_OPENING = 2,  /* it holds the descriptors, and opens the maildrop */
	PHASE_OPEN = 4,     /* TRANSACTION and UPDATE */
	PHASE_RECOVERY = 8, /* it is a recovery child */
	PHASE_ENDED = 16
};

struct monitor {
	const struct monitor_setup *setup;
	char sid[SESSION_SID_MAX];
	char stamp[SESSION_STAMP_MAX];
	pid_t child;      /* the session, or the recovery child */
	int pair;         /* to it; -1 when it is gone */
	int signals;      /* signalfd for SIGUSR1, or -1 */
	int life;         /* as in the setup, -1 once it has ended */
	uint32_t stop;    /* enum ipc_end_reason that was passed on; 0: none */
	enum phase phase; /* written by monitor_enter() only */
	uint64_t started; /* clock_now() */
	char address[SESSION_ADDRESS_MAX]; /* the setup's, or what a proxy told */
	unsigned attempts, failures;
	unsigned asked;     /* requests in PHASE_LOGIN */
	unsigned set_aside; /* journals */
	uint32_t tls;       /* version on the wire, as the session says; 0: none */
	uint32_t mech;      /* of the last login */
	struct ipc_challenge challenge; /* waits for its proof; type 0: none */
	uint64_t challenged;            /* when, by clock_now() */
	unsigned char *handshake;       /* as the session tells it; or NULL */
	size_t handshake_length;
	char user[IPC_NAME_MAX]; /* of the last login */
	enum md_error recovery;  /* how the recovery child says it went */
	bool opened;             /* opening is to be closed */
	struct opening opening;  /* last: see there */
};

/*
 * The one function that changes the phase; and what the listener sees of it,
 * with the time, in the monitor's row.
 */
void monitor_enter(struct monitor *monitor, enum phase phase,
    enum row_phase row_phase);

/* Between two tries at a maildrop that another session holds. */
#define MONITOR_RETRY_MS 20

enum wake { WAKE_READY, WAKE_LATE, WAKE_STOP };

/*
 * Waits for fd (-1: for nothing) until the deadline (0: none), meanwhile
 * passing a kick or the daemon's end on to the session. WAKE_STOP: that
 * happened, once, or the session is gone, and fd is not the pair; where it is,
 * WAKE_LATE, before the deadline: the caller may want another one now.
 */
enum wake monitor_await(struct monitor *monitor, int fd, uint64_t deadline);

/*
 * Ends what the monitor holds of a maildrop: dotlock, descriptors, its row's
 * state.
 */
void monitor_let_go(struct monitor *monitor);

/* Whether an UPDATE of the maildrop that it holds is not finished. */
bool monitor_pending(const struct monitor *monitor);

#endif
