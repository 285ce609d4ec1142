/*
 * Memory that idle processes do not keep: a session waits for its client most
 * of the time, and its monitor for the session.
 */
#ifndef POPLAR_PAGES_H
#define POPLAR_PAGES_H

#include <stddef.h>

/*
 * Zeroed pages of their own, of which only those cost that are touched; or NULL.
 * To be given back by munmap(2).
 */
void *pages_new(size_t size);

/* The same with all of them there at once: for memory that is touched whole. */
void *pages_filled(size_t size);

/* Gives back what either made, of which the first octets held a secret. */
void pages_wipe(void *memory, size_t size, size_t secret);

/*
 * Gives back the stack that deeper calls have used: a login takes much more of
 * it than the wait behind it.
 */
void pages_rest(void);

#endif
