/*
 * The entries of the sandboxed side: serve a client, recover a maildrop, check
 * what a session claims of its client's certificate, try the sandbox. priv/ calls
 * them in a freshly forked child and in no other way; none returns.
 */
#ifndef POPLAR_SESSION_H
#define POPLAR_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct config;
struct md_fds;
struct ssl_ctx_st;
struct stack_st_X509;
struct x509_store_st;

#define SESSION_SID_MAX 16
#define SESSION_STAMP_MAX 384
#define SESSION_ADDRESS_MAX 64

/*
 * What a CertificateRequest of TLS 1.3 holds of ours: random octets, made for
 * one connection, in an extension of private use (RFC 8446 section 11), which a
 * client ignores and signs with the rest of the handshake.
 */
#define SESSION_NONCE_SIZE 32
#define SESSION_NONCE_EXTENSION 0xff50

/* A compiled list of permitted system calls. */
struct sandbox_filter {
	void *program; /* BPF, struct sock_filter[]; owned; NULL: there is none */
	size_t length; /* of its instructions */
};

/* Everything about the sandbox that is made once, before the first fork. */
struct sandbox {
	/* by the caller of sandbox_prepare() */
	bool drop_user; /* started as root: change user, enter the chroot */
	uid_t uid;
	gid_t gid;
	const char *root; /* an empty folder of root's; borrowed */
	/* by sandbox_prepare() */
	bool required; /* no seccomp: refuse */
	struct sandbox_filter serve;
	struct sandbox_filter recover;
	int landlock_abi; /* 0: the kernel has none */
};

/*
 * Compiles the two seccomp programs, warms up libcrypto and the hashes so that
 * they open no file later, looks up Landlock. Called once by main, before any
 * fork. Returns 0, or -1 with the reason logged.
 */
int sandbox_prepare(const struct config *config, struct sandbox *sandbox);

/* Frees what sandbox_prepare() made, if it was called. */
void sandbox_free(struct sandbox *sandbox);

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

/*
 * Serves one client until it is gone. The caller has closed all other
 * descriptors.
 */
_Noreturn void session_serve(const struct session_setup *setup);

/*
 * Finishes an interrupted UPDATE of one maildrop; the dotlock is asked for
 * over the pair, the outcome goes there as IPC_OPENED.
 */
_Noreturn void session_recover(const struct session_setup *setup,
    const struct md_fds *fds);

/* That the client of a connection is user; all borrowed. */
struct session_claim {
	const struct sandbox *sandbox;
	pid_t parent;
	struct x509_store_st *store;     /* tls.client_ca */
	const struct stack_st_X509 *own; /* certificates that this server shows */
	const unsigned char *nonce;      /* of this connection */
	const unsigned char *handshake;  /* as the session has recorded it */
	size_t length;
	const char *user;
};

/* Exit statuses; neither EXIT_SUCCESS nor EXIT_FAILURE, which come by accident. */
enum session_proved {
	PROVED = 2,
	PROVED_NO_HANDSHAKE, /* not the messages of one, whole and in order */
	PROVED_NOT_FRESH,    /* of another connection */
	PROVED_NOT_OURS,     /* with another server */
	PROVED_NO_CHAIN,     /* tls.client_ca does not vouch for the certificate */
	PROVED_NO_SIGNATURE, /* the client has not the key of the certificate */
	PROVED_NO_NAME,      /* it is another's */
	PROVED_RESULTS
};

/* Checks one claim. The caller has closed all descriptors but /dev/null's. */
_Noreturn void session_prove(const struct session_claim *claim);

/*
 * Enters the sandbox as a session does, writes an octet to the pair, and ends
 * when that is closed. What keeps it out is logged.
 */
_Noreturn void session_try(const struct sandbox *sandbox, int pair, pid_t parent);

#endif
