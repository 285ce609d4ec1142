/*
 * What the reference loops share: a listener on loopback, processes for each
 * connection, replies that are the same for everybody. Whatever fails ends the
 * program with a message.
 */
#ifndef BENCH_CANNED_H
#define BENCH_CANNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANNED_GREETING "+OK\r\n"

/* The reply to a command, which came whole; NULL: there is none. */
const char *canned_reply(const char *line, size_t length);

/* Whether this is the command, of four letters. */
bool canned_is(const char *line, size_t length, const char *verb);

/* Listens on a port of 127.0.0.1 (0: a free one) and prints which. */
int listen_on_loopback(uint16_t port);

/* Forks; the child runs on, the parent waits for its end. Whether this is the child. */
bool in_a_child(void);

/*
 * The same by so many processes for each connection, this one among them: whether
 * this is the one to serve it. Those beyond two are gone before it is served.
 */
bool by_processes(long count);

/*
 * A child for each client, in which serve() is called, until input ends (-1:
 * for ever).
 */
void serve_all(int listener, int input, void (*serve)(int client, void *ctx),
    void *ctx);

#endif
