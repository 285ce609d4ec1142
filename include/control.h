/*
 * What an administrator's program asks the daemon that runs, over a socket in
 * run_dir that only the daemon's own user can write to. A question is one
 * datagram, with one end of a SOCK_SEQPACKET pair; the answer goes there, with
 * a file in memory: the connections in question, one struct after the other.
 */
#ifndef POPLAR_CONTROL_H
#define POPLAR_CONTROL_H

#include <stdint.h>
#include <sys/un.h>

#include "ipc.h"

#define CONTROL_SID_MAX 16
#define CONTROL_ADDRESS_MAX 64

enum control_verb {
	CONTROL_WHO = 1,   /* all connections */
	CONTROL_KICK_SID,  /* end the one with this session id */
	CONTROL_KICK_USER, /* end those that this user has logged in on */
	CONTROL_VERBS
};

struct control_question {
	uint32_t verb;           /* enum control_verb */
	char name[IPC_NAME_MAX]; /* a session id, a user; terminated */
};

struct control_answer {
	uint32_t error; /* of errno(3); 0: a file with the connections comes */
	uint32_t count; /* of connections in it */
};

enum control_state {
	CONTROL_AUTHORIZATION = 1,
	CONTROL_LOGIN, /* credentials are looked at, the maildrop opened */
	CONTROL_TRANSACTION,
	CONTROL_LEAVING, /* was told to go */
	CONTROL_STATES
};

/* A connection. Strings are terminated; the user is as the client gave it. */
struct control_connection {
	uint32_t state;            /* enum control_state */
	uint32_t tls;              /* version on the wire; 0: none, not known yet */
	uint64_t seconds;          /* since it was accepted */
	char sid[CONTROL_SID_MAX]; /* session id, as in the log */
	char address[CONTROL_ADDRESS_MAX];
	char user[IPC_NAME_MAX]; /* empty before login */
};

/* The socket's address. 0, or -1 with ENAMETOOLONG. */
int control_address(const char *run_dir, struct sockaddr_un *address);

#endif
