/*
 * Who is connected, and ending a session, for an administrator who asks. Runs as
 * root, in the listener, from what the table of connections tells. A question is
 * checked like any message from outside; the answer is written to a file in
 * memory, so that no reader, however slow, can make the listener wait.
 */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

int
control_socket_open(const struct config *config)
{
	struct sockaddr_un address;
	mode_t mask;
	int fd = -1, bound;

	if (control_address(config->server.run_dir, &address) == -1)
		goto fail;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		goto fail;
	(void)unlink(address.sun_path);
	mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	(void)umask(mask);
	if (bound == 0)
		return fd;
fail:
	log_warning("poplarctl who and kick will not work: %s/control: %s",
	    config->server.run_dir, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

void
control_socket_remove(int fd, const struct config *config)
{
	struct sockaddr_un address;

	if (fd == -1)
		return;
	if (control_address(config->server.run_dir, &address) == 0)
		(void)unlink(address.sun_path);
	close(fd);
}

static bool
is_any(const struct control_connection *connection, const char *name)
{
	(void)connection;
	(void)name;
	return true;
}

static bool
has_sid(const struct control_connection *connection, const char *name)
{
	return strcmp(connection->sid, name) == 0;
}

static bool
has_user(const struct control_connection *connection, const char *name)
{
	return connection->user[0] != '\0' && strcmp(connection->user, name) == 0;
}

/* What is meant by a question, and whether those connections are to end. */
static const struct verb {
	bool (*means)(const struct control_connection *one, const char *name);
	bool kicks;
} verbs[CONTROL_VERBS] = {
    [CONTROL_WHO] = {is_any,   false},
    [CONTROL_KICK_SID] = {has_sid,  true },
    [CONTROL_KICK_USER] = {has_user, true },
};

/* Text that a monitor may be writing. */
static void
copy_text(char *dst, size_t size, const char *src)
{
	snprintf(dst, size, "%.*s", (int)size - 1, src);
}

/* A connection, as far as its monitor has told of it. */
static void
describe(const struct table *table, const struct row *row,
    struct control_connection *connection)
{
	const struct visitor *visitor = table_visitor(table, row);
	const uint32_t phase = row->phase;
	const bool known = phase == ROW_TRANSACTION;

	memset(connection, 0, sizeof(*connection));
	connection->state = row->kicked != 0 ? CONTROL_LEAVING : phase;
	connection->seconds = (clock_now_us() - row->accepted) / 1000000;
	snprintf(connection->sid, sizeof(connection->sid), TABLE_SID, row->sid);
	copy_text(connection->address, sizeof(connection->address),
	    known ? visitor->address : visitor->peer);
	if (!known)
		return;
	connection->tls = visitor->tls;
	copy_text(connection->user, sizeof(connection->user), visitor->user);
}

static void
kick(struct row *row, const struct control_connection *connection)
{
	log_info("sid=%s ip=%s kicked by poplarctl", connection->sid,
	    connection->address);
	table_kick(row);
}

/* Does what is asked; returns a file with the connections, or -1 with errno. */
static int
carry_out(struct table *table, const struct control_question *question,
    uint32_t *countp)
{
	const struct verb *verb = &verbs[question->verb];
	struct control_connection connection;
	int file = memfd_create("connections", MFD_CLOEXEC);

	for (size_t i = 0; file != -1 && i < table->count; i++) {
		struct row *row = &table->rows[i];

		if (row->pid == 0 || row->sid == 0)
			continue;
		describe(table, row, &connection);
		if (!verb->means(&connection, question->name))
			continue;
		if (write(file, &connection, sizeof(connection)) == -1) {
			close(file);
			return -1;
		}
		if (verb->kicks)
			kick(row, &connection);
		++*countp;
	}
	return file;
}

static bool
is_question(const struct control_question *question, int size)
{
	return size == sizeof(*question) && question->verb < CONTROL_VERBS &&
	       verbs[question->verb].means != NULL &&
	       memchr(question->name, '\0', sizeof(question->name)) != NULL;
}

void
control_socket_answer(int fd, struct table *table)
{
	struct control_question question;
	struct control_answer answer = {0};
	size_t nfds;
	int fds[IPC_FDS_MAX],
	    file = -1,
	    size = ipc_receive(fd, &question, sizeof(question), fds, &nfds);

	errno = EPROTO;
	if (is_question(&question, size))
		file = carry_out(table, &question, &answer.count);
	if (file == -1)
		answer.error = (uint32_t)errno;
	/* the asker's end: one that it does not read must not stop the daemon */
	if (nfds == 1 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0)
		(void)ipc_send(fds[0], &answer, sizeof(answer), &file, file != -1);
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (file != -1)
		close(file);
}
