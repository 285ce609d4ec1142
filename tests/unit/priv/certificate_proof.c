/*
 * A monitor, and a session that was taken over and asks for EXTERNAL: by its
 * word alone, and with what it has seen of honest clients. The auth child, the
 * process that it starts and its sandbox are the real ones.
 */
#include "../session/handshakes.h"

#include "log.h"
#include "priv/attempt.h"

#define USER "mrose"

static const struct manners plain_manners = {NULL, NULL, 0};

static struct holder ca, us, mrose;
static SSL_CTX *server;
static struct sandbox sandbox;
static struct config *config;
static struct monitor_setup setup;
static char users[] = "/tmp/poplar-users-XXXXXX";

static void
write_users(void)
{
	const char *ids = geteuid() == 0 ? "1000:1000" : ":";
	int fd = mkstemp(users);
	FILE *file = fdopen(fd, "w");

	assert_non_null(file);
	fprintf(file, USER ":{PLAIN}secret:%s:::\ndewey:{PLAIN}secret:%s:::\n", ids,
	    ids);
	assert_int_equal(fclose(file), 0);
}

static int
set_up(void **state)
{
	char path[64];
	const char *items[] = {"auth.backends=users", path, "auth.first_uid=1"};
	const struct config_overrides overrides = {.items = items, .count = 3};

	(void)state;
	write_users();
	snprintf(path, sizeof(path), "auth.users_file=%s", users);
	assert_int_equal(config_load("/nonexistent/poplar.conf", false, &overrides,
	                     stderr, &config),
	    0);
	assert_int_equal(sandbox_prepare(config, &sandbox), 0);
	ca = make_plain("ca", NULL);
	us = make_plain("localhost", &ca);
	mrose = make_plain(USER, &ca);
	server = load_server(&us, &ca);
	setup = (struct monitor_setup){.config = config,
	    .sandbox = &sandbox,
	    .tls = server,
	    .life = -1,
	    .address = "192.0.2.1"};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free_holder(&ca);
	free_holder(&us);
	free_holder(&mrose);
	certificates_free(server);
	config_free(config);
	return unlink(users);
}

/* A monitor whose session has handed over so many octets. */
static struct monitor
monitor_of(const struct recording *recording)
{
	struct monitor monitor = {.setup = &setup,
	    .pair = -1,
	    .signals = -1,
	    .life = -1};
	struct ipc_handshake piece = {.type = IPC_HANDSHAKE};

	for (size_t at = 0; at < recording->length; at += piece.length) {
		piece.length = (uint32_t)(recording->length - at);
		if (piece.length > sizeof(piece.octets))
			piece.length = sizeof(piece.octets);
		memcpy(piece.octets, recording->octets + at, piece.length);
		attempt_take_handshake(&monitor, &piece);
	}
	return monitor;
}

static enum auth_result
ask(struct monitor *monitor, const char *user)
{
	struct ipc_login login = {.type = IPC_LOGIN, .mech = IPC_MECH_EXTERNAL};
	struct auth_verdict verdict;

	strlcpy(login.user, user, sizeof(login.user));
	return attempt_login(monitor, &login, &verdict);
}

static void
expect(const struct recording *recording, const char *user, enum auth_result result)
{
	struct monitor monitor = monitor_of(recording);

	assert_int_equal(ask(&monitor, user), result);
	free(monitor.handshake);
}

static void
test_truth(void **state)
{
	struct recording recording;

	(void)state;
	certificates_freshen(server);
	assert_true(record(server, &mrose, &plain_manners, &recording));
	expect(&recording, USER, AUTH_OK);
	/* and that is all that it is good for */
	expect(&recording, "dewey", AUTH_CERTIFICATE);
	expect(&recording, "nobody-here", AUTH_CERTIFICATE);
}

static void
test_word_alone(void **state)
{
	struct recording nothing = {.length = 0};

	(void)state;
	expect(&nothing, USER, AUTH_CERTIFICATE);
	nothing.length = sizeof(nothing.octets);
	memset(nothing.octets, 1, sizeof(nothing.octets));
	expect(&nothing, USER, AUTH_CERTIFICATE);
}

/* What an earlier session of the same server has seen of the user. */
static void
test_replay(void **state)
{
	struct recording recording;

	(void)state;
	certificates_freshen(server);
	assert_true(record(server, &mrose, &plain_manners, &recording));
	certificates_freshen(server);
	expect(&recording, USER, AUTH_CERTIFICATE);
}

/* Behind a proof, or in front of it, nothing is hidden, and no room is grown. */
static void
test_too_much(void **state)
{
	struct recording recording;
	struct monitor monitor;
	struct ipc_handshake piece = {.type = IPC_HANDSHAKE,
	    .length = IPC_PIECE_SIZE};

	(void)state;
	certificates_freshen(server);
	assert_true(record(server, &mrose, &plain_manners, &recording));
	monitor = monitor_of(&recording);
	for (int i = 0; i < 100; i++)
		attempt_take_handshake(&monitor, &piece);
	assert_true(monitor.handshake_length > IPC_HANDSHAKE_MAX - IPC_PIECE_SIZE);
	assert_true(monitor.handshake_length <= IPC_HANDSHAKE_MAX);
	assert_int_equal(ask(&monitor, USER), AUTH_CERTIFICATE);
	free(monitor.handshake);
}

/* Where no certificate is asked for none is believed. */
static void
test_no_client_ca(void **state)
{
	struct recording recording;

	(void)state;
	certificates_freshen(server);
	assert_true(record(server, &mrose, &plain_manners, &recording));
	SSL_CTX_set_verify(server, SSL_VERIFY_NONE, NULL);
	expect(&recording, USER, AUTH_MECHANISM);
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER, NULL);
	setup.tls = NULL;
	expect(&recording, USER, AUTH_MECHANISM);
	setup.tls = server;
	expect(&recording, USER, AUTH_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_truth),
	    cmocka_unit_test(test_word_alone),
	    cmocka_unit_test(test_replay),
	    cmocka_unit_test(test_too_much),
	    cmocka_unit_test(test_no_client_ca),
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
