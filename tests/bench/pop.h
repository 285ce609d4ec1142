/*
 * One POP3 connection from the client's side, blocking, in clear or by TLS.
 * It checks what it reads at memory speed. Anything unexpected ends the
 * program with a message: a measurement of a wrong answer is worth nothing.
 */
#ifndef BENCH_POP_H
#define BENCH_POP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <xxhash.h>

#include "sums.h"

struct target {
	uint16_t port; /* on 127.0.0.1 */
	SSL_CTX *tls;  /* NULL: in clear */
	const char *password;
};

struct pop {
	int fd;
	SSL *ssl;
	XXH3_state_t *hash;
	char *buf; /* start to end was read and not yet used */
	size_t start, end;
	char pending[4096]; /* commands that wait for pop_flush() */
	size_t pending_len;
};

/* Octets that a caller wants to keep, terminated. */
struct copy {
	char *text;
	size_t len, size;
};

/* Empties it and makes room, so that what is kept costs but its copying. */
void copy_ready(struct copy *copy, size_t size);

/* Connects, shakes hands, takes the greeting. */
void pop_open(struct pop *pop, const struct target *target);
void pop_close(struct pop *pop);

/* Collects a command; it leaves with the next read, or when 4096 octets wait. */
void pop_command(struct pop *pop, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads a status line and demands +OK. */
void pop_ok(struct pop *pop, char *line, size_t size);

/*
 * Reads the lines of a multi-line reply to its dot, un-stuffs them, counts
 * and hashes. They are appended to copy, if that is not NULL, which has room for them.
 */
struct sum pop_body(struct pop *pop, struct copy *copy);

/* The next hit of LF and dot in src, or len; src[len] must be readable. */
size_t pop_find_dot(const char *src, size_t len);

#endif
