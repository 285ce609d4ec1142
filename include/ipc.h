/*
 * Every byte that crosses the privilege boundary: messages of fixed size over
 * a SOCK_SEQPACKET pair between a session and its monitor. The monitor checks
 * exact size, type, phase and the termination of every string; so does the
 * session, with replies. Only IPC_LOGIN_REPLY and IPC_SET_ASIDE_REPLY carry
 * descriptors.
 */
#ifndef POPLAR_IPC_H
#define POPLAR_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"

#define IPC_NAME_MAX 256   /* name of 255 octets, terminated */
#define IPC_SECRET_MAX 512 /* a password or a digest, terminated */
#define IPC_HOLDER_MAX 128
#define IPC_FDS_MAX 3
#define IPC_NONCE_SIZE 32  /* the monitor's part of a nonce, terminated */
#define IPC_SALT_SIZE 176  /* 128 octets in base64, terminated */
#define IPC_AUTH_SIZE 4097 /* an AuthMessage of RFC 5802, terminated */
#define IPC_KEY_SIZE 32    /* of SHA-256 */
#define IPC_PIECE_SIZE 4096
#define IPC_HANDSHAKE_MAX 65536 /* of all pieces */

enum ipc_type {
	IPC_LOGIN = 1,       /* session: struct ipc_login */
	IPC_LOGIN_REPLY,     /* monitor: struct ipc_login_reply + descriptors */
	IPC_SCRAM,           /* session: struct ipc_login without secret */
	IPC_CHALLENGE,       /* monitor: struct ipc_challenge */
	IPC_PROOF,           /* session: struct ipc_proof, after a challenge */
	IPC_OPENED,          /* session: struct ipc_opened; no reply */
	IPC_DOTLOCK,         /* session: struct ipc_plain */
	IPC_DOTLOCK_REPLY,   /* monitor: struct ipc_plain, value enum md_dotlock */
	IPC_UNDOTLOCK,       /* session: struct ipc_plain */
	IPC_UNDOTLOCK_REPLY, /* monitor: struct ipc_plain: none of ours is left */
	IPC_SET_ASIDE,       /* session: struct ipc_plain */
	IPC_SET_ASIDE_REPLY, /* monitor: struct ipc_plain, value 0 + a descriptor */
	IPC_BACKDATE,        /* session: struct ipc_plain */
	IPC_BACKDATE_REPLY,  /* monitor: struct ipc_plain, value 0: done */
	IPC_HANDSHAKE,       /* session: struct ipc_handshake, in order; no reply */
	IPC_PROXY,       /* session: struct ipc_proxy, once, before anything else */
	IPC_PROXY_REPLY, /* monitor: struct ipc_plain, value 0: go on */
	IPC_NOTE,        /* session: struct ipc_plain, value enum ipc_note */
	IPC_END,         /* session: struct ipc_end, the last one */
	IPC_END_REPLY,   /* monitor: struct ipc_plain; it has let go */
	IPC_STOP         /* monitor: struct ipc_plain, value enum ipc_end_reason */
};

/* How a client logs in; in this order in the log. */
enum ipc_mech {
	IPC_MECH_PASS = 1,
	IPC_MECH_APOP,
	IPC_MECH_PLAIN,
	IPC_MECH_LOGIN,
	IPC_MECH_SCRAM,      /* SCRAM-SHA-256 */
	IPC_MECH_SCRAM_PLUS, /* SCRAM-SHA-256-PLUS */
	IPC_MECH_EXTERNAL,
	IPC_MECHS
};

/* What became of a login, the credentials' part and the maildrop's. */
enum ipc_result {
	IPC_RESULT_OK = 0,
	IPC_RESULT_DENIED,      /* one answer for every fault of the credentials */
	IPC_RESULT_IN_USE,      /* another session; holder is set */
	IPC_RESULT_BUSY,        /* locked by another program */
	IPC_RESULT_DELAYED,     /* too soon after the last login */
	IPC_RESULT_UNSUITABLE,  /* not a plain file of the account: [SYS/PERM] */
	IPC_RESULT_UNAVAILABLE, /* folder missing, system trouble: [SYS/TEMP] */
	IPC_RESULTS
};

enum ipc_note {
	IPC_NOTE_CLEARTEXT = 1,  /* USER refused without TLS; text is the name */
	IPC_NOTE_CLEARTEXT_AUTH, /* the same at AUTH; text is the mechanism */
	IPC_NOTE_FOREIGN,        /* another protocol than POP3; text is its name */
	IPC_NOTE_HANDSHAKE,      /* TLS did not come about; text is why, or empty */
	IPC_NOTE_NO_PROXY,       /* no good PROXY header came; text is why */
	IPC_NOTES
};

enum ipc_end_reason {
	IPC_END_QUIT = 1,
	IPC_END_TIMEOUT,
	IPC_END_DROP,
	IPC_END_KICKED,
	IPC_END_ERROR,
	IPC_END_SHUTDOWN,
	IPC_END_REASONS
};

struct ipc_plain {
	uint32_t type, value;
	char text[IPC_NAME_MAX];
};

/* The client's address as a trusted proxy told it. */
struct ipc_proxy {
	uint32_t type, known; /* not known: the proxy speaks for itself */
	unsigned char address[NETWORK_OCTETS];
};

struct ipc_login {
	uint32_t type, mech; /* enum ipc_mech */
	uint32_t tls;        /* version on the wire, for the log; 0: none */
	char user[IPC_NAME_MAX];
	char secret[IPC_SECRET_MAX]; /* wiped by both sides once used */
};

/* A piece of TLS's handshake, in which the client has shown a certificate. */
struct ipc_handshake {
	uint32_t type, length; /* of 1 to IPC_PIECE_SIZE octets */
	unsigned char octets[IPC_PIECE_SIZE];
};

/* SCRAM's server-first-message, but for the client's part of the nonce. */
struct ipc_challenge {
	uint32_t type;
	uint32_t iterations; /* 0: none can be had, the system is in trouble */
	char salt[IPC_SALT_SIZE];
	char nonce[IPC_NONCE_SIZE];
};

/* SCRAM's last step. The reply is IPC_LOGIN_REPLY. */
struct ipc_proof {
	uint32_t type;
	uint32_t foreign; /* 1: not of this connection (nonce, channel binding) */
	unsigned char proof[IPC_KEY_SIZE];
	char message[IPC_AUTH_SIZE]; /* AuthMessage */
};

/* With IPC_RESULT_OK: descriptors index, journal, and mbox if has_mbox. */
struct ipc_login_reply {
	uint32_t type, result; /* enum ipc_result */
	uint32_t has_mbox, writable;
	char holder[IPC_HOLDER_MAX]; /* IN_USE: "from 192.0.2.7 since 10:42:07" */
	unsigned char signature[IPC_KEY_SIZE]; /* OK, of IPC_PROOF: the server's */
};

/* How maildrop_open() went; with an error the session holds no descriptor. */
struct ipc_opened {
	uint32_t type, error; /* enum md_error */
	uint32_t messages, fresh, scan, scan_us;
	uint64_t octets;
	uint32_t recovered; /* an interrupted UPDATE was finished */
};

struct ipc_end {
	uint32_t type, reason;
	uint32_t retr, top, dele, dele_pending, left;
	uint32_t error; /* enum md_error: of UPDATE, or of what could not be read */
	uint64_t retr_octets, top_octets, octets_left;
	uint32_t update_us;
};

/* Any message, for the receiver's buffer. */
union ipc_message {
	uint32_t type;
	struct ipc_plain plain;
	struct ipc_proxy proxy;
	struct ipc_login login;
	struct ipc_handshake handshake;
	struct ipc_login_reply login_reply;
	struct ipc_challenge challenge;
	struct ipc_proof proof;
	struct ipc_opened opened;
	struct ipc_end end;
};

/* Makes the pair, close-on-exec. 0, or -1 with errno. */
int ipc_pair(int pair[2]);

/*
 * Sends one message whole, with nfds descriptors, IPC_FDS_MAX at most, that the
 * caller keeps. Never raises SIGPIPE; waits if the descriptor does. 0, or -1
 * with errno (EINVAL: more descriptors than that).
 */
int ipc_send(int fd, const void *message, size_t size, const int *fds, size_t nfds);

/*
 * Receives one message of size octets at most; those that it lacks are 0. fds
 * takes up to IPC_FDS_MAX descriptors, all close-on-exec and the caller's; the
 * unused places are -1. Returns the message's size, 0 at end of file or for an
 * empty message, -1 with errno (EPROTO: cut short, or too many descriptors);
 * with 0 and -1 no descriptor is kept. Waits if the descriptor does.
 */
int ipc_receive(int fd, void *message, size_t size, int fds[IPC_FDS_MAX],
    size_t *nfdsp);

/*
 * Whether size is the one of message->type, its strings are terminated, and a
 * length in it is one that it can hold.
 */
bool ipc_valid(const union ipc_message *message, size_t size);

/* For people, a version of TLS by its number on the wire; "-": none of ours. */
const char *ipc_tls_name(uint32_t version);

#endif
