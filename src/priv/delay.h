/*
 * LOGIN-DELAY (RFC 2449 section 6.5), across sessions and daemons.
 */
#ifndef POPLAR_PRIV_DELAY_H
#define POPLAR_PRIV_DELAY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a login to the maildrop of a state folder may follow now; if so it
 * is remembered there. delay_ms 0 permits everything and touches nothing. The
 * session lock is held. What cannot be read or written permits the login:
 * the delay spares the server work, it protects nothing.
 */
bool delay_permits(int state, uint64_t delay_ms);

#endif
