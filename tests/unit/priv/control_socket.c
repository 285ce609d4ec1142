/*
 * The listener's end of the control socket: questions of every shape, good and
 * broken, and what becomes of the connections in a table.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "priv/control_socket.h"

#define ROWS 4
#define SENT_MAX 4096

struct scene {
	char place[64];
	struct config config;
	struct sockaddr_un address;
	struct table *table;
	int fd, asker, pair[2];
	/* of the last answer */
	struct control_answer answer;
	struct control_connection connections[ROWS];
};

static int
make_scene(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	strcpy(scene->place, "/tmp/poplar-control-XXXXXX");
	assert_non_null(mkdtemp(scene->place));
	scene->config.server.run_dir = scene->place;
	scene->table = table_make(ROWS);
	assert_non_null(scene->table);
	scene->fd = control_socket_open(&scene->config);
	assert_int_not_equal(scene->fd, -1);
	assert_int_equal(control_address(scene->place, &scene->address), 0);
	scene->asker = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(connect(scene->asker, (struct sockaddr *)&scene->address,
	                     sizeof(scene->address)),
	    0);
	*state = scene;
	return 0;
}

static int
end_scene(void **state)
{
	struct scene *scene = *state;

	close(scene->asker);
	control_socket_remove(scene->fd, &scene->config);
	assert_int_equal(rmdir(scene->place), 0);
	free(scene);
	return 0;
}

/* A connection of a monitor that is ourselves: a kick is SIGUSR1 to us. */
static struct row *
connect_one(struct scene *scene, uint32_t sid, const char *peer)
{
	struct row *row = table_take(scene->table);

	assert_non_null(row);
	row->pid = getpid();
	row->accepted = clock_now_us();
	row->sid = sid;
	strcpy(table_visitor(scene->table, row)->peer, peer);
	return row;
}

static void
log_in(struct scene *scene, struct row *row, const char *user, const char *address)
{
	struct visitor *visitor = table_visitor(scene->table, row);

	strcpy(visitor->user, user);
	strcpy(visitor->address, address);
	visitor->tls = 0x0304;
	row->phase = ROW_TRANSACTION;
}

/* Sends octets with a number of descriptors, and lets them be answered. */
static void
send_octets(struct scene *scene, const void *octets, size_t size, size_t nfds)
{
	int fds[IPC_FDS_MAX];

	assert_int_equal(ipc_pair(scene->pair), 0);
	for (size_t i = 0; i < nfds; i++)
		fds[i] = scene->pair[1];
	assert_int_equal(ipc_send(scene->asker, octets, size, fds, nfds), 0);
	close(scene->pair[1]);
	control_socket_answer(scene->fd, scene->table);
}

/* What has come back: false where nothing has. */
static bool
take_answer(struct scene *scene)
{
	int fds[IPC_FDS_MAX];
	size_t nfds;
	int n = ipc_receive(scene->pair[0], &scene->answer, sizeof(scene->answer),
	    fds, &nfds);

	close(scene->pair[0]);
	if (n != sizeof(scene->answer))
		return false;
	assert_int_equal(nfds, scene->answer.error == 0);
	if (nfds == 0)
		return true;
	assert_true(scene->answer.count <= ROWS);
	assert_int_equal(pread(fds[0], scene->connections,
	                     sizeof(scene->connections), 0),
	    scene->answer.count * sizeof(scene->connections[0]));
	close(fds[0]);
	return true;
}

static void
ask(struct scene *scene, uint32_t verb, const char *name)
{
	struct control_question question = {.verb = verb};

	strcpy(question.name, name);
	send_octets(scene, &question, sizeof(question), 1);
	assert_true(take_answer(scene));
}

/* Only the daemon's user may ask. */
static void
test_private(void **state)
{
	struct scene *scene = *state;
	struct stat st;

	assert_int_equal(stat(scene->address.sun_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_uid, geteuid());
}

/* One that a dead daemon left is no hindrance. */
static void
test_left_behind(void **state)
{
	struct scene *scene = *state;

	close(scene->fd);
	scene->fd = control_socket_open(&scene->config);
	assert_int_not_equal(scene->fd, -1);
}

static void
test_long_folder(void **state)
{
	struct config config = {0};
	char path[256];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	config.server.run_dir = path;
	assert_int_equal(control_socket_open(&config), -1);
	control_socket_remove(-1, &config);
}

static void
test_who(void **state)
{
	struct scene *scene = *state;
	const struct control_connection *got = scene->connections;

	ask(scene, CONTROL_WHO, "");
	assert_int_equal(scene->answer.error, 0);
	assert_int_equal(scene->answer.count, 0);

	(void)connect_one(scene, 0, "192.0.2.9"); /* has not begun */
	(void)connect_one(scene, 0x5f3a, "192.0.2.7");
	log_in(scene, connect_one(scene, 0x5f3b, "127.0.0.1"), "alice",
	    "2001:db8::7");
	ask(scene, CONTROL_WHO, "");
	assert_int_equal(scene->answer.count, 2);
	assert_int_equal(got[0].state, CONTROL_AUTHORIZATION);
	assert_string_equal(got[0].sid, "00005f3a");
	assert_string_equal(got[0].address, "192.0.2.7");
	assert_string_equal(got[0].user, "");
	assert_int_equal(got[0].tls, 0);
	assert_int_equal(got[1].state, CONTROL_TRANSACTION);
	assert_string_equal(got[1].sid, "00005f3b");
	assert_string_equal(got[1].address, "2001:db8::7");
	assert_string_equal(got[1].user, "alice");
	assert_int_equal(got[1].tls, 0x0304);
}

/* What the last connection in a row's place told is not the next one's. */
static void
test_row_used_again(void **state)
{
	struct scene *scene = *state;
	struct row *row = connect_one(scene, 0x5f3b, "192.0.2.7");

	log_in(scene, row, "alice", "192.0.2.7");
	row->pid = 0;
	assert_ptr_equal(connect_one(scene, 0x5f3c, "192.0.2.8"), row);
	row->phase = ROW_TRANSACTION;
	ask(scene, CONTROL_WHO, "");
	assert_int_equal(scene->answer.count, 1);
	assert_string_equal(scene->connections[0].user, "");
}

/* How many kicks have come to this process. */
static unsigned
kicks(int signals)
{
	struct signalfd_siginfo info;
	unsigned count = 0;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		count++;
	return count;
}

static void
test_kick(void **state)
{
	struct scene *scene = *state;
	struct row *alice, *other;
	sigset_t set;
	int signals;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	signals = signalfd(-1, &set, SFD_NONBLOCK);
	alice = connect_one(scene, 0x5f3a, "192.0.2.7");
	other = connect_one(scene, 0x5f3b, "192.0.2.8");
	log_in(scene, alice, "alice", "192.0.2.7");

	/* not by part of a name, nor one who has not logged in by no name */
	ask(scene, CONTROL_KICK_USER, "alic");
	assert_int_equal(scene->answer.count, 0);
	ask(scene, CONTROL_KICK_USER, "");
	assert_int_equal(scene->answer.count, 0);
	ask(scene, CONTROL_KICK_SID, "5f3b");
	assert_int_equal(scene->answer.count, 0);
	assert_int_equal(kicks(signals), 0);

	ask(scene, CONTROL_KICK_USER, "alice");
	assert_int_equal(scene->answer.count, 1);
	assert_string_equal(scene->connections[0].sid, "00005f3a");
	assert_int_equal(kicks(signals), 1);
	assert_int_not_equal(alice->kicked, 0);
	assert_int_equal(other->kicked, 0);

	ask(scene, CONTROL_KICK_SID, "00005f3b");
	assert_int_equal(scene->answer.count, 1);
	assert_int_equal(kicks(signals), 1);
	assert_int_not_equal(other->kicked, 0);
	ask(scene, CONTROL_WHO, "");
	assert_int_equal(scene->connections[0].state, CONTROL_LEAVING);
	close(signals);
}

/* Whatever comes, it is answered with an error or not at all. */
static void
test_broken(void **state)
{
	struct scene *scene = *state;
	const uint32_t verbs[] = {0, CONTROL_VERBS, 0x10000, UINT32_MAX};
	union {
		struct control_question question;
		char octets[SENT_MAX];
	} sent;

	for (size_t size = 0; size <= SENT_MAX; size += 1 + size / 8) {
		memset(&sent, 1, sizeof(sent));
		send_octets(scene, &sent, size, 1);
		if (take_answer(scene))
			assert_int_equal(scene->answer.error, EPROTO);
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		memset(&sent, 0, sizeof(sent));
		sent.question.verb = verbs[i];
		send_octets(scene, &sent, sizeof(sent.question), 1);
		assert_true(take_answer(scene));
		assert_int_equal(scene->answer.error, EPROTO);
	}
	memset(&sent, 'x', sizeof(sent));
	sent.question.verb = CONTROL_KICK_USER;
	send_octets(scene, &sent, sizeof(sent.question), 1);
	assert_true(take_answer(scene));
	assert_int_equal(scene->answer.error, EPROTO);
}

/* No descriptor, too many, one that is no socket: nobody to answer to. */
static void
test_descriptors(void **state)
{
	struct scene *scene = *state;
	const struct control_question question = {.verb = CONTROL_WHO};
	int null = open("/dev/null", O_WRONLY), before = dup(null);

	close(before);
	send_octets(scene, &question, sizeof(question), 0);
	assert_false(take_answer(scene));
	send_octets(scene, &question, sizeof(question), 2);
	assert_false(take_answer(scene));
	assert_int_equal(
	    ipc_send(scene->asker, &question, sizeof(question), &null, 1), 0);
	control_socket_answer(scene->fd, scene->table);
	/* no question at all */
	control_socket_answer(scene->fd, scene->table);
	/* all of them are closed again */
	assert_int_equal(dup(null), before);
	close(before);
	close(null);
}

/* An asker that lets its end fill up does not hold up the daemon. */
static void
test_full(void **state)
{
	struct scene *scene = *state;
	const struct control_question question = {.verb = CONTROL_WHO};
	int pair[2];

	assert_int_equal(ipc_pair(pair), 0);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(ipc_send(scene->asker, &question, sizeof(question),
		                     &pair[1], 1),
		    0);
		control_socket_answer(scene->fd, scene->table);
	}
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_private, make_scene, end_scene),
	    cmocka_unit_test_setup_teardown(test_left_behind, make_scene,
	        end_scene),
	    cmocka_unit_test(test_long_folder),
	    cmocka_unit_test_setup_teardown(test_who, make_scene, end_scene),
	    cmocka_unit_test_setup_teardown(test_row_used_again, make_scene,
	        end_scene),
	    cmocka_unit_test_setup_teardown(test_kick, make_scene, end_scene),
	    cmocka_unit_test_setup_teardown(test_broken, make_scene, end_scene),
	    cmocka_unit_test_setup_teardown(test_descriptors, make_scene,
	        end_scene),
	    cmocka_unit_test_setup_teardown(test_full, make_scene, end_scene),
	};

	return cmocka_run_group_tests_name("control_socket", tests, NULL, NULL);
}
