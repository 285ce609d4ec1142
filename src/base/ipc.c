/*
 * Fixed-size messages with descriptors over SOCK_SEQPACKET. Used on both
 * sides of the privilege boundary; trusts neither.
 */
#include "ipc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL_SIZE CMSG_SPACE(IPC_FDS_MAX * sizeof(int))

union control {
	char buf[CONTROL_SIZE];
	struct cmsghdr align;
};

/* A string in a message, which must be terminated. */
struct string {
	size_t offset, size; /* size 0: none */
};

#define STRING(field)                                                              \
	{                                                                          \
		offsetof(union ipc_message, field),                                \
		    sizeof(((union ipc_message *)NULL)->field)                     \
	}
#define PLAIN                                                                      \
	{                                                                          \
		.size = sizeof(struct ipc_plain), .strings = {                     \
			STRING(plain.text)                                         \
		}                                                                  \
	}

static bool
piece_fits(const union ipc_message *message)
{
	return message->handshake.length > 0 &&
	       message->handshake.length <= IPC_PIECE_SIZE;
}

/* What each message is made of; a type without a row does not exist. */
/* clang-format off */
static const struct shape {
	size_t size; /* exactly */
	struct string strings[2];
	bool (*fits)(const union ipc_message *message); /* NULL: no more to ask */
} shapes[] = {
    [IPC_LOGIN] = {.size = sizeof(struct ipc_login), .strings = {STRING(login.user), STRING(login.secret)}},
    [IPC_LOGIN_REPLY] = {.size = sizeof(struct ipc_login_reply), .strings = {STRING(login_reply.holder)}},
    [IPC_SCRAM] = {.size = sizeof(struct ipc_login), .strings = {STRING(login.user), STRING(login.secret)}},
    [IPC_CHALLENGE] = {.size = sizeof(struct ipc_challenge), .strings = {STRING(challenge.salt), STRING(challenge.nonce)}},
    [IPC_PROOF] = {.size = sizeof(struct ipc_proof), .strings = {STRING(proof.message)}},
    [IPC_OPENED] = {.size = sizeof(struct ipc_opened)},
    [IPC_DOTLOCK] = PLAIN,
    [IPC_DOTLOCK_REPLY] = PLAIN,
    [IPC_UNDOTLOCK] = PLAIN,
    [IPC_UNDOTLOCK_REPLY] = PLAIN,
    [IPC_SET_ASIDE] = PLAIN,
    [IPC_SET_ASIDE_REPLY] = PLAIN,
    [IPC_BACKDATE] = PLAIN,
    [IPC_BACKDATE_REPLY] = PLAIN,
    [IPC_HANDSHAKE] = {.size = sizeof(struct ipc_handshake), .fits = piece_fits},
    [IPC_PROXY] = {.size = sizeof(struct ipc_proxy)},
    [IPC_PROXY_REPLY] = PLAIN,
    [IPC_NOTE] = PLAIN,
    [IPC_END] = {.size = sizeof(struct ipc_end)},
    [IPC_END_REPLY] = PLAIN,
    [IPC_STOP] = PLAIN,
};
/* clang-format on */

int
ipc_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

int
ipc_send(int fd, const void *message, size_t size, const int *fds, size_t nfds)
{
	union control control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message,
	    .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	ssize_t n;

	if (nfds > IPC_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)size ? 0 : -1;
}

/* Collects the descriptors of a received message. */
static size_t
take_descriptors(struct msghdr *msg, int fds[IPC_FDS_MAX])
{
	struct cmsghdr *cmsg;
	size_t count = 0, n;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > IPC_FDS_MAX - count)
			n = IPC_FDS_MAX - count;
		memcpy(fds + count, CMSG_DATA(cmsg), n * sizeof(int));
		count += n;
	}
	return count;
}

int
ipc_receive(int fd, void *message, size_t size, int fds[IPC_FDS_MAX], size_t *nfdsp)
{
	union control control;
	struct iovec iov = {.iov_base = message, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    /* not CMSG_SPACE, whose padding lets one more descriptor in */
	    .msg_controllen = CMSG_LEN(IPC_FDS_MAX * sizeof(int))};
	ssize_t n;

	memset(message, 0, size);
	for (size_t i = 0; i < IPC_FDS_MAX; i++)
		fds[i] = -1;
	*nfdsp = 0;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	*nfdsp = take_descriptors(&msg, fds);
	if (n > 0 && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return (int)n;
	for (size_t i = 0; i < *nfdsp; i++) {
		close(fds[i]);
		fds[i] = -1;
	}
	*nfdsp = 0;
	errno = EPROTO;
	return n == 0 ? 0 : -1;
}

/* RFC 8446 section 4.2.1. */
const char *
ipc_tls_name(uint32_t version)
{
	if (version == 0x0304)
		return "TLSv1.3";
	return version == 0x0303 ? "TLSv1.2" : "-";
}

bool
ipc_valid(const union ipc_message *message, size_t size)
{
	const char *octets = (const char *)message;
	const struct shape *shape = shapes;

	if (size < sizeof(message->type) ||
	    message->type >= sizeof(shapes) / sizeof(shapes[0]))
		return false;
	shape += message->type;
	if (size != shape->size)
		return false;
	for (size_t i = 0; i < 2 && shape->strings[i].size > 0; i++) {
		if (memchr(octets + shape->strings[i].offset, '\0',
		        shape->strings[i].size) == NULL)
			return false;
	}
	return shape->fits == NULL || shape->fits(message);
}
