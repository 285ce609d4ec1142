/*
 * The two entries of the sandboxed side: serve a client, recover a maildrop.
 * priv/ calls them in a freshly forked child and in no other way; neither
 * returns.
 */
#ifndef POPLAR_SESSION_H
#define POPLAR_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct config;
struct md_fds;
struct ssl_ctx_st;

#define SESSION_SID_MAX 16
#define SESSION_STAMP_MAX 384
#define SESSION_ADDRESS_MAX 64

/* Everything about the sandbox that is made once, before the first fork. */
struct sandbox {
	/* by the caller of sandbox_prepare() */
	bool drop_user; /* started as root: change user, enter the chroot */
	uid_t uid;
	gid_t gid;
	const char *root; /* an empty folder of root's; borrowed */
	/* by sandbox_prepare() */
	bool required;            /* no seccomp: refuse */
	const void *serve_filter; /* BPF, struct sock_filter[] */
	size_t serve_length;
	const void *recover_filter;
	size_t recover_length;
	int landlock_abi; /* 0: the kernel has none */
};

/*
 * Compiles the two seccomp programs, warms up libcrypto so that it opens no
 * file later, looks up Landlock. Called once by main, before any fork.
 * Returns 0, or -1 with the reason logged.
 */
int sandbox_prepare(const struct config *config, struct sandbox *sandbox);

struct session_setup {
	const struct config *config;
	const struct sandbox *sandbox;
	int client_in; /* the same descriptor twice for a socket */
	int client_out;
	int pair; /* to the monitor */
	pid_t monitor;
	bool local;             /* the peer is loopback, or no socket */
	bool proxy;             /* a PROXY header comes first */
	bool tls_now;           /* TLS from the first octet */
	struct ssl_ctx_st *tls; /* NULL: no TLS; borrowed */
	bool scram;             /* SCRAM may be offered unasked */
	char sid[SESSION_SID_MAX];
	char stamp[SESSION_STAMP_MAX]; /* APOP timestamp; empty: none offered */
};

/* Serves one client until it is gone. The caller has closed all other descriptors. */
_Noreturn void session_serve(const struct session_setup *setup);

/*
 * Finishes an interrupted UPDATE of one maildrop; the dotlock is asked for
 * over the pair, the outcome goes there as IPC_OPENED.
 */
_Noreturn void session_recover(const struct session_setup *setup,
    const struct md_fds *fds);

#endif
