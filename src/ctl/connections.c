/*
 * poplarctl who and kick: asks the daemon that runs, over its control socket,
 * and shows its answer. Runs with the privilege of its caller, who must be the
 * daemon's own user.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "ctl.h"
#include "log.h"

#define PATIENCE_S 10

/* What the daemon has answered. */
struct connections {
	struct control_connection *items; /* to be freed */
	size_t count;
};

/* A daemon that hangs takes no more questions, and answers none. */
static int
limit_patience(int fd, int option)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};

	return setsockopt(fd, SOL_SOCKET, option, &patience, sizeof(patience));
}

/* The exit code for what keeps the question from being sent, in errno. */
static int
ask_fault(void)
{
	if (errno == EACCES)
		return EX_NOPERM;
	return errno == ENOENT || errno == ECONNREFUSED ? EX_UNAVAILABLE
	                                                : EX_TEMPFAIL;
}

/* Sends the question with the end that the answer is to come to. */
static int
ask(const struct sockaddr_un *address, const struct control_question *question,
    int end)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), code = EX_OK;

	if (fd == -1 || limit_patience(fd, SO_SNDTIMEO) == -1 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) == -1 ||
	    ipc_send(fd, question, sizeof(*question), &end, 1) == -1) {
		code = ask_fault();
		warn("%s%s", code == EX_UNAVAILABLE ? "no poplard listens on " : "",
		    address->sun_path);
	}
	if (fd != -1)
		close(fd);
	return code;
}

/* The connections of an answer, whose strings may be printed. 0, or -1 with errno. */
static int
read_connections(int file, size_t count, struct connections *connections)
{
	const size_t size = count * sizeof(*connections->items);

	connections->items = calloc(count + 1, sizeof(*connections->items));
	if (connections->items == NULL)
		return -1;
	errno = EPROTO;
	if (pread(file, connections->items, size, 0) != (ssize_t)size)
		return -1;
	connections->count = count;
	for (size_t i = 0; i < count; i++) {
		struct control_connection *item = &connections->items[i];

		item->sid[sizeof(item->sid) - 1] = '\0';
		item->address[sizeof(item->address) - 1] = '\0';
		item->user[sizeof(item->user) - 1] = '\0';
	}
	return 0;
}

static int
take_answer(int end, struct connections *connections)
{
	struct control_answer answer;
	int fds[IPC_FDS_MAX], n, code = EX_TEMPFAIL;
	size_t nfds = 0;

	(void)limit_patience(end, SO_RCVTIMEO);
	n = ipc_receive(end, &answer, sizeof(answer), fds, &nfds);
	if (n == sizeof(answer) && answer.error != 0)
		warnx("poplard cannot answer: %s%s", strerror((int)answer.error),
		    answer.error == EPROTO ? "; is it of another version?" : "");
	else if (n != sizeof(answer) || nfds != 1)
		warnx("poplard does not answer");
	else if (read_connections(fds[0], answer.count, connections) == -1)
		warn("the answer of poplard");
	else
		code = EX_OK;
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	return code;
}

/* Asks the daemon of a configuration. EX_OK: connections->items is the caller's. */
static int
put_question(const struct config *config, enum control_verb verb, const char *name,
    struct connections *connections)
{
	struct control_question question = {.verb = verb};
	struct sockaddr_un address;
	int pair[2], code;

	*connections = (struct connections){0};
	if (strlcpy(question.name, name, sizeof(question.name)) >=
	    sizeof(question.name))
		return EX_OK; /* no connection can have it */
	if (control_address(config->server.run_dir, &address) == -1 ||
	    ipc_pair(pair) == -1) {
		warn("%s/control", config->server.run_dir);
		return EX_OSERR;
	}
	code = ask(&address, &question, pair[1]);
	close(pair[1]);
	if (code == EX_OK)
		code = take_answer(pair[0], connections);
	close(pair[0]);
	return code;
}

static const char *const states[CONTROL_STATES] = {
    "-",
    [CONTROL_AUTHORIZATION] = "authorization",
    [CONTROL_LOGIN] = "login",
    [CONTROL_TRANSACTION] = "transaction",
    [CONTROL_LEAVING] = "leaving",
};

static int
older_first(const void *one, const void *other)
{
	const struct control_connection *a = one, *b = other;

	return (a->seconds < b->seconds) - (a->seconds > b->seconds);
}

static void
print_connection(const struct control_connection *connection, int width)
{
	const time_t since = time(NULL) - (time_t)connection->seconds;
	char when[32] = "-", user[LOG_SAFE_SIZE(IPC_NAME_MAX)];
	struct tm tm;

	if (localtime_r(&since, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	log_safe(user, sizeof(user), connection->user);
	printf("%-8s  %-19s  %-13s  %-7s  %-*s  %s\n", connection->sid, when,
	    states[connection->state < CONTROL_STATES ? connection->state : 0],
	    ipc_tls_name(connection->tls), width, connection->address,
	    user[0] != '\0' ? user : "-");
}

static void
print_table(const struct connections *connections)
{
	int width = (int)strlen("ADDRESS"), length;

	for (size_t i = 0; i < connections->count; i++) {
		length = (int)strlen(connections->items[i].address);
		if (length > width)
			width = length;
	}
	qsort(connections->items, connections->count, sizeof(*connections->items),
	    older_first);
	printf("%-8s  %-19s  %-13s  %-7s  %-*s  %s\n", "SID", "SINCE", "STATE",
	    "TLS", width, "ADDRESS", "USER");
	for (size_t i = 0; i < connections->count; i++)
		print_connection(&connections->items[i], width);
}

int
ctl_who(int argc, char **argv)
{
	struct source source;
	struct config *config = NULL;
	struct connections connections = {0};
	int opt, code = EX_USAGE;

	source_init(&source, argc);
	while ((opt = getopt(argc, argv, SOURCE_OPTIONS)) != -1) {
		if (!source_take(&source, opt, optarg))
			goto out;
	}
	if (optind != argc)
		goto out;
	code = source_load(&source, &config) > 0 ? EX_CONFIG : EX_OK;
	if (code == EX_OK)
		code = put_question(config, CONTROL_WHO, "", &connections);
	if (code == EX_OK)
		print_table(&connections);
out:
	free(connections.items);
	config_free(config);
	source_free(&source);
	return code;
}

/* Ends the connections that a name means, and tells of each. */
static int
kick(const struct config *config, enum control_verb verb, const char *name)
{
	struct connections connections;
	char safe[LOG_SAFE_SIZE(IPC_NAME_MAX)];
	int code = put_question(config, verb, name, &connections);

	for (size_t i = 0; code == EX_OK && i < connections.count; i++) {
		const struct control_connection *item = &connections.items[i];

		log_safe(safe, sizeof(safe), item->user);
		printf("%s: kicked, from %s%s%s\n", item->sid, item->address,
		    safe[0] != '\0' ? ", user " : "", safe);
	}
	if (code == EX_OK && connections.count == 0) {
		warnx("no session %s %s",
		    verb == CONTROL_KICK_SID ? "has the id" : "is of user", name);
		code = EX_NOUSER;
	}
	free(connections.items);
	return code;
}

int
ctl_kick(int argc, char **argv)
{
	struct source source;
	struct config *config = NULL;
	enum control_verb verb = CONTROL_KICK_SID;
	int opt, failed, code = EX_USAGE;

	source_init(&source, argc);
	while ((opt = getopt(argc, argv, SOURCE_OPTIONS "u")) != -1) {
		if (opt == 'u')
			verb = CONTROL_KICK_USER;
		else if (!source_take(&source, opt, optarg))
			goto out;
	}
	if (optind == argc)
		goto out;
	code = source_load(&source, &config) > 0 ? EX_CONFIG : EX_OK;
	for (int i = optind; config != NULL && i < argc; i++) {
		failed = kick(config, verb, argv[i]);
		if (failed != EX_OK)
			code = failed;
	}
out:
	config_free(config);
	source_free(&source);
	return code;
}
