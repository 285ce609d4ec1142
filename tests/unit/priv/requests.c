/*
 * What a monitor grants its session, message by message and phase by phase:
 * nothing but what the phase permits, and nothing twice that is told once.
 */
#include "place.h"

#include "ipc.h"
#include "priv/requests.h"
#include "told.h"

#define HELD (PHASE_OPENING | PHASE_OPEN | PHASE_RECOVERY)
#define ALIVE (PHASE_LOGIN | PHASE_OPENING | PHASE_OPEN)
#define PLAIN sizeof(struct ipc_plain)

/* Of each message its size, and the phases in which a session may send it. */
static const struct rule {
	uint32_t type;
	size_t size;
	unsigned phases;
} rules[] = {
    {0,                   PLAIN,                          0                 },
    {IPC_LOGIN,           sizeof(struct ipc_login),       PHASE_LOGIN       },
    {IPC_LOGIN_REPLY,     sizeof(struct ipc_login_reply), 0                 },
    {IPC_SCRAM,           sizeof(struct ipc_login),       PHASE_LOGIN       },
    {IPC_CHALLENGE,       sizeof(struct ipc_challenge),   0                 },
    {IPC_PROOF,           sizeof(struct ipc_proof),       PHASE_LOGIN       },
    {IPC_OPENED,          sizeof(struct ipc_opened),      HELD & ~PHASE_OPEN},
    {IPC_DOTLOCK,         PLAIN,                          HELD              },
    {IPC_DOTLOCK_REPLY,   PLAIN,                          0                 },
    {IPC_UNDOTLOCK,       PLAIN,                          HELD              },
    {IPC_UNDOTLOCK_REPLY, PLAIN,                          0                 },
    {IPC_SET_ASIDE,       PLAIN,                          HELD              },
    {IPC_SET_ASIDE_REPLY, PLAIN,                          0                 },
    {IPC_BACKDATE,        PLAIN,                          PHASE_OPEN        },
    {IPC_BACKDATE_REPLY,  PLAIN,                          0                 },
    {IPC_HANDSHAKE,       sizeof(struct ipc_handshake),   PHASE_LOGIN       },
    {IPC_PROXY,           sizeof(struct ipc_proxy),       PHASE_LOGIN       },
    {IPC_PROXY_REPLY,     PLAIN,                          0                 },
    {IPC_NOTE,            PLAIN,                          PHASE_LOGIN       },
    {IPC_END,             sizeof(struct ipc_end),         ALIVE             },
    {IPC_END_REPLY,       PLAIN,                          0                 },
    {IPC_STOP,            PLAIN,                          0                 },
    {IPC_STOP + 1,        PLAIN,                          0                 },
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

struct scene {
	struct place *place;
	struct monitor_setup setup;
	struct monitor *monitor;
	int session; /* its end of the pair */
};

static int
scene_setup(void **statep)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	int pair[2];

	assert_non_null(scene);
	assert_int_equal(setup((void **)&scene->place), 0);
	scene->monitor = calloc(1, sizeof(*scene->monitor));
	assert_non_null(scene->monitor);
	assert_int_equal(ipc_pair(pair), 0);
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	scene->session = pair[1];
	scene->setup.config = &scene->place->config;
	scene->monitor->setup = &scene->setup;
	scene->monitor->pair = pair[0];
	scene->monitor->phase = PHASE_LOGIN;
	strcpy(scene->monitor->address, "192.0.2.1");
	*statep = scene;
	return 0;
}

static int
scene_teardown(void **statep)
{
	struct scene *scene = *statep;

	monitor_let_go(scene->monitor);
	close(scene->monitor->pair);
	close(scene->session);
	free(scene->monitor->handshake);
	free(scene->monitor);
	assert_int_equal(teardown((void **)&scene->place), 0);
	free(scene);
	return 0;
}

/* The monitor holds a maildrop. */
static void
hold(struct scene *scene, enum phase phase)
{
	put(scene->place, scene->place->file, "From a\n", 0600);
	assert_int_equal(try_open(scene->place), OPENING_OK);
	scene->monitor->opening = scene->place->opening;
	scene->monitor->opened = true;
	scene->monitor->phase = phase;
}

/* A message without content. */
static bool
ask(struct scene *scene, uint32_t type)
{
	union ipc_message message = {.type = type};
	const struct rule *rule = rules;

	while (rule->type != type)
		rule++;
	return request_answer(scene->monitor, &message, rule->size, 0);
}

/* The value of the answer to the last message, UINT32_MAX: there is none. */
static uint32_t
answer(struct scene *scene)
{
	union ipc_message message;
	int fds[IPC_FDS_MAX];
	size_t nfds;

	if (ipc_receive(scene->session, &message, sizeof(message), fds, &nfds) <= 0)
		return UINT32_MAX;
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	return message.plain.value;
}

static void
test_phases(void **statep)
{
	struct scene *scene = *statep;

	hold(scene, PHASE_OPEN);
	for (size_t i = 0; i < RULES; i++) {
		for (unsigned phase = 1; phase <= PHASE_ENDED; phase *= 2) {
			scene->monitor->phase = (enum phase)phase;
			if ((rules[i].phases & phase) != 0)
				continue;
			if (ask(scene, rules[i].type))
				fail_msg("message %u is taken in phase %u",
				    rules[i].type, phase);
			assert_int_equal(answer(scene), UINT32_MAX);
		}
	}
	assert_true(scene->monitor->opened);
}

/* Too short, too long, or with a descriptor: in no phase. */
static void
test_forms(void **statep)
{
	struct scene *scene = *statep;

	hold(scene, PHASE_OPEN);
	for (const struct rule *rule = rules; rule < rules + RULES; rule++) {
		union ipc_message message = {.type = rule->type};

		for (unsigned phase = 1; phase <= PHASE_ENDED; phase *= 2) {
			scene->monitor->phase = (enum phase)phase;
			assert_false(request_answer(scene->monitor, &message,
			    rule->size + 1, 0));
			assert_false(request_answer(scene->monitor, &message,
			    rule->size - 1, 0));
			assert_false(request_answer(scene->monitor, &message,
			    rule->size, 1));
			assert_int_equal(answer(scene), UINT32_MAX);
		}
	}
}

/* Each lock, and what is done under it, until the end and not behind it. */
static void
test_held(void **statep)
{
	struct scene *scene = *statep;

	hold(scene, PHASE_OPENING);
	assert_true(ask(scene, IPC_OPENED));
	assert_int_equal(scene->monitor->phase, PHASE_OPEN);
	assert_false(ask(scene, IPC_OPENED));
	assert_true(ask(scene, IPC_DOTLOCK));
	assert_int_equal(answer(scene), MD_DOTLOCK_OK);
	assert_int_equal(entries(scene->place->mail), 2);
	assert_true(ask(scene, IPC_BACKDATE));
	assert_int_equal(answer(scene), 0);
	assert_true(ask(scene, IPC_END));
	assert_int_equal(answer(scene), 0);
	assert_false(scene->monitor->opened);
	assert_int_equal(entries(scene->place->mail), 1);
	assert_false(ask(scene, IPC_DOTLOCK));
	assert_false(ask(scene, IPC_END));
}

/* A proxy's client is told before all else, and not in another's place later. */
static void
test_proxy_comes_first(void **statep)
{
	struct scene *scene = *statep;
	union ipc_message message = {
	    .proxy = {IPC_PROXY, .known = 1}
        };

	for (int late = 0; late < 2; late++) {
		scene->setup.proxy = true;
		scene->monitor->asked = 0;
		strcpy(scene->monitor->address, "192.0.2.1");
		if (late == 1)
			assert_true(ask(scene, IPC_NOTE));
		for (int i = 0; i < 2; i++) {
			message.proxy.address[15] = (unsigned char)(i + 1);
			assert_true(request_answer(scene->monitor, &message,
			    sizeof(message.proxy), 0));
			assert_int_equal(answer(scene), late == 1 || i == 1);
			assert_string_equal(scene->monitor->address,
			    late == 1 ? "192.0.2.1" : "::1");
		}
	}
}

/* One attempt too many: it is refused unseen, and its password is wiped too. */
static void
test_secret_is_wiped(void **statep)
{
	static const char nothing[IPC_SECRET_MAX];
	struct scene *scene = *statep;
	union ipc_message message = {
	    .login = {IPC_LOGIN, IPC_MECH_PASS, .user = "alice",
	              .secret = "xyzzy"}
        };

	scene->monitor->signals = scene->monitor->life = -1;
	assert_true(
	    request_answer(scene->monitor, &message, sizeof(message.login), 0));
	assert_string_equal(scene->monitor->user, "alice");
	assert_memory_equal(message.login.secret, nothing, sizeof(nothing));
}

/* How a recovery went is told once: each time may write a line to the log. */
static void
test_recovered_once(void **statep)
{
	struct scene *scene = *statep;

	hold(scene, PHASE_RECOVERY);
	assert_true(ask(scene, IPC_DOTLOCK));
	assert_int_equal(answer(scene), MD_DOTLOCK_OK);
	assert_true(ask(scene, IPC_OPENED));
	assert_int_equal(answer(scene), 0);
	assert_false(ask(scene, IPC_OPENED));
	assert_false(ask(scene, IPC_DOTLOCK));
}

/* A journal in which nothing is, or one too many, is not set aside. */
static void
test_set_aside(void **statep)
{
	struct scene *scene = *statep;

	hold(scene, PHASE_OPEN);
	assert_true(ask(scene, IPC_SET_ASIDE));
	assert_int_equal(answer(scene), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    pwrite(scene->monitor->opening.fds.journal, "x", 1, 0), 1);
		assert_true(ask(scene, IPC_SET_ASIDE));
		assert_int_equal(answer(scene), i == 2);
	}
}

/* What the log says of an end that tells of deletions. */
static void
hear_end(struct scene *scene, char *text, size_t size)
{
	union ipc_message message = {
	    .end = {.type = IPC_END,
	            .reason = IPC_END_QUIT,
	            .error = MD_IO,
	            .dele = 7}
        };
	struct told told;

	told_begin(&told, LOG_INFO_LEVEL);
	assert_true(
	    request_answer(scene->monitor, &message, sizeof(message.end), 0));
	told_end(&told, text, size);
}

/* A session without a login leaves no line as of one with it. */
static void
test_end_without_login(void **statep)
{
	struct scene *scene = *statep;
	char told[1024];

	strcpy(scene->monitor->user, "alice");
	hear_end(scene, told, sizeof(told));
	assert_string_equal(told, "");
	hold(scene, PHASE_OPEN);
	hear_end(scene, told, sizeof(told));
	assert_non_null(strstr(told, "user=alice ip=192.0.2.1 end=quit"));
	assert_non_null(strstr(told, "dele=7"));
}

#define TEST(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_phases),
	    TEST(test_forms),
	    TEST(test_held),
	    TEST(test_proxy_comes_first),
	    TEST(test_secret_is_wiped),
	    TEST(test_recovered_once),
	    TEST(test_set_aside),
	    TEST(test_end_without_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
