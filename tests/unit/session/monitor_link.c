/*
 * What a session asks of its monitor, and what it takes for an answer. The
 * replies lie in the pair before they are waited for.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "session/monitor_link.h"

struct scene {
	struct monitor_link link;
	struct md_host host;
	int monitor; /* its end of the pair */
	int null;    /* what it hands over */
};

static int
scene_setup(void **statep)
{
	static struct scene scene;
	int pair[2];

	assert_int_equal(ipc_pair(pair), 0);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	scene = (struct scene){.monitor = pair[0], .link.fd = pair[1]};
	scene.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	link_host(&scene.link, &scene.host);
	*statep = &scene;
	return 0;
}

static int
scene_teardown(void **statep)
{
	struct scene *scene = *statep;

	close(scene->monitor);
	close(scene->link.fd);
	close(scene->null);
	return 0;
}

static int
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* One message of the monitor's, with so many descriptors. */
static void
says(struct scene *scene, const void *message, size_t size, size_t nfds)
{
	const int fds[] = {scene->null, scene->null, scene->null};

	assert_int_equal(ipc_send(scene->monitor, message, size, fds, nfds), 0);
}

static void
answers(struct scene *scene, enum ipc_type type, uint32_t value, size_t nfds)
{
	const struct ipc_plain plain = {.type = type, .value = value};

	says(scene, &plain, sizeof(plain), nfds);
}

/* The type of the next message that the session sent; 0: none. */
static uint32_t
asked(struct scene *scene)
{
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;
	int n = ipc_receive(scene->monitor, &message, sizeof(message), fds, &nfds);

	if (n <= 0)
		return 0;
	assert_int_equal(nfds, 0);
	assert_true(ipc_valid(&message, (size_t)n));
	return message.type;
}

static void
test_host(void **statep)
{
	struct scene *scene = *statep;
	void *ctx = scene->host.ctx;

	for (uint32_t value = 0; value <= MD_DOTLOCK_FAILED + 1; value++) {
		answers(scene, IPC_DOTLOCK_REPLY, value, 0);
		assert_int_equal(scene->host.dotlock(ctx),
		    value < MD_DOTLOCK_FAILED ? value : MD_DOTLOCK_FAILED);
		assert_int_equal(asked(scene), IPC_DOTLOCK);
	}
	answers(scene, IPC_UNDOTLOCK_REPLY, 0, 0);
	scene->host.undotlock(ctx);
	assert_int_equal(asked(scene), IPC_UNDOTLOCK);
	answers(scene, IPC_BACKDATE_REPLY, 0, 0);
	answers(scene, IPC_BACKDATE_REPLY, 1, 0);
	assert_true(scene->host.backdate(ctx));
	assert_false(scene->host.backdate(ctx));
	assert_int_equal(asked(scene), IPC_BACKDATE);
	assert_int_equal(asked(scene), IPC_BACKDATE);
	assert_int_equal(asked(scene), 0);
	assert_int_equal(scene->link.stop, 0);
}

static void
test_set_aside(void **statep)
{
	struct scene *scene = *statep;
	int journal;

	answers(scene, IPC_SET_ASIDE_REPLY, 0, 1);
	journal = scene->host.set_aside(scene->host.ctx);
	assert_int_not_equal(journal, -1);
	close(journal);
	answers(scene, IPC_SET_ASIDE_REPLY, 0, 0);
	assert_int_equal(scene->host.set_aside(scene->host.ctx), -1);
	answers(scene, IPC_SET_ASIDE_REPLY, 1, 1);
	assert_int_equal(scene->host.set_aside(scene->host.ctx), -1);
}

/* Descriptors come with what brings them, and as many as it says. */
static void
test_descriptors(void **statep)
{
	struct scene *scene = *statep;
	struct ipc_login_reply reply = {.type = IPC_LOGIN_REPLY}, got;
	const int before = open_descriptors();
	struct md_fds fds;

	for (uint32_t result = 0; result < IPC_RESULTS; result++) {
		for (size_t n = 0; n <= IPC_FDS_MAX; n++) {
			reply.result = result;
			reply.has_mbox = n > 2;
			says(scene, &reply, sizeof(reply), n);
			assert_int_equal(link_login(&scene->link, IPC_MECH_PASS,
			                     "alice", "secret", &got, &fds),
			    result == IPC_RESULT_OK ? n >= 2 : n == 0);
			assert_int_equal(asked(scene), IPC_LOGIN);
			assert_int_equal(fds.index != -1,
			    result == IPC_RESULT_OK && n >= 2);
			assert_int_equal(fds.mbox != -1,
			    result == IPC_RESULT_OK && n > 2);
			close(fds.index);
			close(fds.journal);
			close(fds.mbox);
		}
	}
	answers(scene, IPC_BACKDATE_REPLY, 0, 3);
	assert_true(scene->host.backdate(scene->host.ctx));
	assert_int_equal(open_descriptors(), before);
}

/* A wish to stop comes first, and is kept; the reply is waited for all the same. */
static void
test_stop(void **statep)
{
	struct scene *scene = *statep;
	struct ipc_challenge challenge = {.type = IPC_CHALLENGE, .iterations = 7},
	                     got;

	answers(scene, IPC_STOP, IPC_END_KICKED, 0);
	says(scene, &challenge, sizeof(challenge), 0);
	assert_true(link_scram(&scene->link, IPC_MECH_SCRAM, "alice", &got));
	assert_int_equal(got.iterations, 7);
	assert_int_equal(scene->link.stop, IPC_END_KICKED);
	answers(scene, IPC_PROXY_REPLY, 0, 0);
	assert_true(link_proxy(&scene->link, NULL));
	assert_false(scene->host.pause(scene->host.ctx, 1));
	scene->link.updating = true;
	assert_true(scene->host.pause(scene->host.ctx, 1));
}

/* A wish to stop that comes too late for a recovery does not lie unread at its end. */
static void
test_recovered(void **statep)
{
	struct scene *scene = *statep;
	const struct ipc_opened opened = {.type = IPC_OPENED, .recovered = 1};
	union ipc_message message;

	answers(scene, IPC_STOP, IPC_END_SHUTDOWN, 0);
	answers(scene, IPC_END_REPLY, 0, 0);
	link_recovered(&scene->link, &opened);
	close(scene->link.fd);
	scene->link.fd = -1;
	assert_int_equal(read(scene->monitor, &message, sizeof(message)),
	    sizeof(opened));
	assert_int_equal(message.opened.recovered, 1);
}

/* A reason that there is not is a fault of the monitor's. */
static void
test_stop_without_reason(void **statep)
{
	static const uint32_t reasons[] = {0, IPC_END_REASONS, UINT32_MAX};
	struct scene *scene = *statep;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		scene->link.stop = 0;
		answers(scene, IPC_STOP, reasons[i], 0);
		link_take_stop(&scene->link);
		assert_int_equal(scene->link.stop, IPC_END_ERROR);
	}
	scene->link.stop = 0;
	answers(scene, IPC_STOP, IPC_END_SHUTDOWN, 0);
	link_take_stop(&scene->link);
	assert_int_equal(scene->link.stop, IPC_END_SHUTDOWN);
}

/* What is no answer ends the session. */
static void
test_broken(void **statep)
{
	struct scene *scene = *statep;
	const struct ipc_plain plain = {.type = IPC_PROXY_REPLY};

	answers(scene, IPC_END_REPLY, 0, 2);
	assert_false(link_proxy(&scene->link, NULL));
	assert_int_equal(scene->link.stop, IPC_END_ERROR);
	scene->link.stop = 0;
	says(scene, &plain, sizeof(plain) - 1, 0);
	assert_false(link_proxy(&scene->link, NULL));
	assert_int_equal(scene->link.stop, IPC_END_ERROR);
	scene->link.stop = 0;
	shutdown(scene->monitor, SHUT_WR);
	assert_int_equal(scene->host.dotlock(scene->host.ctx), MD_DOTLOCK_FAILED);
	assert_false(scene->host.backdate(scene->host.ctx));
	assert_int_equal(scene->link.stop, IPC_END_ERROR);
}

#define TEST(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_host),
	    TEST(test_set_aside),
	    TEST(test_descriptors),
	    TEST(test_stop),
	    TEST(test_recovered),
	    TEST(test_stop_without_reason),
	    TEST(test_broken),
	};

	return cmocka_run_group_tests_name("monitor_link", tests, NULL, NULL);
}
