/*
 * The table that the listener shares with its monitors: a row a connection.
 * The listener gives rows out, fills the upper part and frees them; the
 * monitor writes the lower part of its own row. Sessions do not see it.
 */
#ifndef POPLAR_PRIV_TABLE_H
#define POPLAR_PRIV_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control.h"
#include "network.h"
#include "state_files.h"

enum row_phase {
	ROW_AUTHORIZATION = CONTROL_AUTHORIZATION,
	ROW_LOGIN = CONTROL_LOGIN,
	ROW_TRANSACTION = CONTROL_TRANSACTION
};

struct row {
	/* written by the listener */
	pid_t pid;                            /* of the monitor; 0: free */
	uint64_t accepted;                    /* clock_now_us() */
	unsigned char source[NETWORK_OCTETS]; /* as peer_source() tells it */
	bool exempt;     /* loopback, a proxy: not counted by address */
	uint64_t kicked; /* clock_now() when it was told to go; 0: was not */
	/* written by the monitor */
	_Atomic uint32_t sid;         /* as a number; 0: has not begun */
	_Atomic uint32_t phase;       /* enum row_phase */
	_Atomic uint64_t login_since; /* clock_now() at ROW_LOGIN */
	char state[STATE_NAME_SIZE];  /* name of the state folder in use, or "" */
};

#define TABLE_SID "%08x" /* how the log and the client are shown a sid */

/* Who it is, for people: beside the rows, which are walked for each connection. */
struct visitor {
	/* written by the listener */
	char peer[CONTROL_ADDRESS_MAX]; /* printable; of a proxy, the proxy's */
	/* written by the monitor before ROW_TRANSACTION, and good only then */
	char address[CONTROL_ADDRESS_MAX];
	char user[IPC_NAME_MAX]; /* as the client gave it */
	uint32_t tls;            /* version on the wire; 0: none */
};

struct table {
	size_t count;
	/* clock_now() of the last line in the log ... */
	_Atomic uint64_t complained;      /* of a missing folder */
	_Atomic uint64_t refusal_told;    /* of a refused connection */
	uint64_t full_told;               /* of session.max; the listener's alone */
	_Atomic uint32_t refusals_untold; /* connections without one since */
	_Atomic unsigned long lost;       /* lines of monitors that ended */
	struct row rows[];
};

/* Makes a table of count rows in shared memory. NULL with errno. */
struct table *table_make(size_t count);

/* The monitor: the table is gone from its children to come. */
void table_hide(struct table *table);

/* A free row, cleared as its visitor is, with nothing but its phase set; NULL: full. */
struct row *table_take(struct table *table);

/* The row of a monitor by its process id; NULL: none. */
struct row *table_find(struct table *table, pid_t pid);

/* What belongs to a row of this table. */
struct visitor *table_visitor(const struct table *table, const struct row *row);

/* Tells a monitor to go, which it does unless it is in UPDATE. */
void table_kick(struct row *row);

/* Rows in use and not told to go; those among them with a source. */
size_t table_used(const struct table *table);
size_t table_from(const struct table *table,
    const unsigned char source[NETWORK_OCTETS]);

/*
 * The oldest row before login that was not told to go; where none is idle, one
 * that tries to log in for longer than that should take, whatever comes of it: a
 * failure waits for its failure_delay. NULL: none.
 */
struct row *table_oldest_waiting(struct table *table);

#endif
