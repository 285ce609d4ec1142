/*
 * The messages between session and monitor: what passes whole, what is
 * refused, and that no descriptor is lost on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc.h"

static int pair[2];

static int
open_pair(void **state)
{
	(void)state;
	return ipc_pair(pair);
}

static int
close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static unsigned
count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static void
test_message_passes_whole(void **state)
{
	struct ipc_login login = {.type = IPC_LOGIN, .mech = IPC_MECH_PASS};
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;

	(void)state;
	strcpy(login.user, "mrose");
	strcpy(login.secret, "tanstaaf");
	assert_int_equal(ipc_send(pair[0], &login, sizeof(login), NULL, 0), 0);
	assert_int_equal(ipc_receive(pair[1], &message, sizeof(message), fds,
	                     &nfds),
	    sizeof(login));
	assert_int_equal(nfds, 0);
	assert_int_equal(fds[0], -1);
	assert_memory_equal(&message, &login, sizeof(login));
	assert_true(ipc_valid(&message, sizeof(login)));
}

/* Two sends are two messages, however late they are read. */
static void
test_messages_keep_their_bounds(void **state)
{
	const struct ipc_plain stop = {.type = IPC_STOP, .value = IPC_END_SHUTDOWN};
	const struct ipc_end end = {.type = IPC_END, .reason = IPC_END_QUIT};
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;

	(void)state;
	assert_int_equal(ipc_send(pair[0], &stop, sizeof(stop), NULL, 0), 0);
	assert_int_equal(ipc_send(pair[0], &end, sizeof(end), NULL, 0), 0);
	assert_int_equal(ipc_receive(pair[1], &message, sizeof(message), fds,
	                     &nfds),
	    sizeof(stop));
	assert_int_equal(message.plain.value, IPC_END_SHUTDOWN);
	assert_int_equal(ipc_receive(pair[1], &message, sizeof(message), fds,
	                     &nfds),
	    sizeof(end));
	assert_int_equal(message.end.reason, IPC_END_QUIT);
}

static void
test_descriptors_pass(void **state)
{
	const struct ipc_login_reply reply = {.type = IPC_LOGIN_REPLY};
	const int sent[] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;

	(void)state;
	assert_int_equal(ipc_send(pair[0], &reply, sizeof(reply), sent, 3), 0);
	assert_int_equal(ipc_receive(pair[1], &message, sizeof(message), fds,
	                     &nfds),
	    sizeof(reply));
	assert_int_equal(nfds, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(fds[i] > STDERR_FILENO);
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), 0);
}

/* A message of no octets brings no descriptor in. */
static void
test_empty(void **state)
{
	union ipc_message message;
	int fds[IPC_FDS_MAX], before = dup(pair[0]);
	size_t nfds;

	(void)state;
	close(before);
	assert_int_equal(ipc_send(pair[0], "", 0, pair, 2), 0);
	assert_int_equal(
	    ipc_receive(pair[1], &message, sizeof(message), fds, &nfds), 0);
	assert_int_equal(nfds, 0);
	assert_int_equal(dup(pair[0]), before);
	close(before);
}

static void
test_end_of_file(void **state)
{
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;

	(void)state;
	assert_int_equal(shutdown(pair[0], SHUT_RDWR), 0);
	assert_int_equal(
	    ipc_receive(pair[1], &message, sizeof(message), fds, &nfds), 0);
	assert_int_equal(nfds, 0);
}

static void
test_nobody_there(void **state)
{
	const struct ipc_plain stop = {.type = IPC_STOP};

	(void)state;
	assert_int_equal(shutdown(pair[1], SHUT_RDWR), 0);
	assert_int_equal(ipc_send(pair[0], &stop, sizeof(stop), NULL, 0), -1);
	assert_int_equal(errno, EPIPE);
}

static void
test_too_many_to_send(void **state)
{
	const struct ipc_plain stop = {.type = IPC_STOP};
	const int sent[IPC_FDS_MAX + 1] = {0};

	(void)state;
	assert_int_equal(
	    ipc_send(pair[0], &stop, sizeof(stop), sent, IPC_FDS_MAX + 1), -1);
	assert_int_equal(errno, EINVAL);
}

static void
test_not_waiting(void **state)
{
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;

	(void)state;
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(
	    ipc_receive(pair[1], &message, sizeof(message), fds, &nfds), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Longer than any message: refused, and its descriptors are closed. */
static void
test_oversized_message(void **state)
{
	static const char text[sizeof(union ipc_message) + 1];
	const int sent[] = {STDIN_FILENO, STDIN_FILENO};
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	unsigned before;
	size_t nfds;

	(void)state;
	assert_int_equal(ipc_send(pair[0], text, sizeof(text), sent, 2), 0);
	before = count_descriptors();
	assert_int_equal(
	    ipc_receive(pair[1], &message, sizeof(message), fds, &nfds), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(nfds, 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
	assert_int_equal(count_descriptors(), before);
}

/* What a hostile session could send past ipc_send(). */
static void
test_too_many_descriptors(void **state)
{
	enum { TOO_MANY = IPC_FDS_MAX + 5 };
	struct ipc_plain stop = {.type = IPC_STOP};
	union {
		char buf[CMSG_SPACE(TOO_MANY * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = &stop, .iov_len = sizeof(stop)};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	union ipc_message message;
	int fds[IPC_FDS_MAX], zeros[TOO_MANY] = {STDIN_FILENO};
	unsigned before;
	size_t nfds;

	(void)state;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(zeros));
	memcpy(CMSG_DATA(cmsg), zeros, sizeof(zeros));
	assert_int_equal(sendmsg(pair[0], &msg, 0), sizeof(stop));
	before = count_descriptors();
	assert_int_equal(
	    ipc_receive(pair[1], &message, sizeof(message), fds, &nfds), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(nfds, 0);
	assert_int_equal(count_descriptors(), before);
}

static void
test_valid_sizes(void **state)
{
	static const struct {
		uint32_t type;
		size_t size;
	} sizes[] = {
	    {IPC_LOGIN,           sizeof(struct ipc_login)      },
	    {IPC_LOGIN_REPLY,     sizeof(struct ipc_login_reply)},
	    {IPC_OPENED,          sizeof(struct ipc_opened)     },
	    {IPC_DOTLOCK,         sizeof(struct ipc_plain)      },
	    {IPC_DOTLOCK_REPLY,   sizeof(struct ipc_plain)      },
	    {IPC_UNDOTLOCK,       sizeof(struct ipc_plain)      },
	    {IPC_UNDOTLOCK_REPLY, sizeof(struct ipc_plain)      },
	    {IPC_SET_ASIDE,       sizeof(struct ipc_plain)      },
	    {IPC_SET_ASIDE_REPLY, sizeof(struct ipc_plain)      },
	    {IPC_NOTE,            sizeof(struct ipc_plain)      },
	    {IPC_END,             sizeof(struct ipc_end)        },
	    {IPC_END_REPLY,       sizeof(struct ipc_plain)      },
	    {IPC_STOP,            sizeof(struct ipc_plain)      },
	};
	union ipc_message message = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		message.type = sizes[i].type;
		for (size_t size = 0; size <= sizeof(message); size++)
			assert_int_equal(ipc_valid(&message, size),
			    size == sizes[i].size);
	}
}

static void
test_unknown_types(void **state)
{
	static const uint32_t types[] = {0, IPC_STOP + 1, 0x80000000, UINT32_MAX};
	union ipc_message message = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		message.type = types[i];
		for (size_t size = 0; size <= sizeof(message); size++)
			assert_false(ipc_valid(&message, size));
	}
}

static void
test_strings_must_end(void **state)
{
	union ipc_message message;

	(void)state;
	memset(&message, 'x', sizeof(message));
	message.type = IPC_NOTE;
	assert_false(ipc_valid(&message, sizeof(message.plain)));
	message.plain.text[IPC_NAME_MAX - 1] = '\0';
	assert_true(ipc_valid(&message, sizeof(message.plain)));

	memset(&message, 'x', sizeof(message));
	message.type = IPC_LOGIN;
	message.login.user[IPC_NAME_MAX - 1] = '\0';
	assert_false(ipc_valid(&message, sizeof(message.login)));
	message.login.secret[IPC_SECRET_MAX - 1] = '\0';
	assert_true(ipc_valid(&message, sizeof(message.login)));
	message.login.user[IPC_NAME_MAX - 1] = 'x';
	assert_false(ipc_valid(&message, sizeof(message.login)));

	memset(&message, 'x', sizeof(message));
	message.type = IPC_LOGIN_REPLY;
	assert_false(ipc_valid(&message, sizeof(message.login_reply)));
	message.login_reply.holder[IPC_HOLDER_MAX - 1] = '\0';
	assert_true(ipc_valid(&message, sizeof(message.login_reply)));
}

static void
test_length_of_a_piece(void **state)
{
	static const uint32_t lengths[] = {0, 1, IPC_PIECE_SIZE, IPC_PIECE_SIZE + 1,
	    IPC_HANDSHAKE_MAX, UINT32_MAX};
	union ipc_message message = {.type = IPC_HANDSHAKE};
	const size_t size = sizeof(message.handshake);

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		message.handshake.length = lengths[i];
		assert_int_equal(ipc_valid(&message, size),
		    lengths[i] >= 1 && lengths[i] <= IPC_PIECE_SIZE);
		assert_false(ipc_valid(&message, size - 1));
		assert_false(ipc_valid(&message, size + 1));
	}
}

#define ON_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

static void
test_tls_names(void **state)
{
	(void)state;
	assert_string_equal(ipc_tls_name(0x0304), "TLSv1.3");
	assert_string_equal(ipc_tls_name(0x0303), "TLSv1.2");
	assert_string_equal(ipc_tls_name(0), "-");
	assert_string_equal(ipc_tls_name(0x0302), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_PAIR(test_message_passes_whole),
	    ON_PAIR(test_messages_keep_their_bounds),
	    ON_PAIR(test_descriptors_pass),
	    ON_PAIR(test_empty),
	    ON_PAIR(test_end_of_file),
	    ON_PAIR(test_nobody_there),
	    ON_PAIR(test_too_many_to_send),
	    ON_PAIR(test_not_waiting),
	    ON_PAIR(test_oversized_message),
	    ON_PAIR(test_too_many_descriptors),
	    cmocka_unit_test(test_valid_sizes),
	    cmocka_unit_test(test_unknown_types),
	    cmocka_unit_test(test_strings_must_end),
	    cmocka_unit_test(test_length_of_a_piece),
	    cmocka_unit_test(test_tls_names),
	};

	return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
