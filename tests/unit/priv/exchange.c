/*
 * SCRAM with its secrets: the example of RFC 7677 section 3 to the octet, and
 * every change to it; keys as the users file has them; salts made up.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "priv/exchange.h"
#include "text.h"
#include "told.h"

#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define MESSAGE                                                                    \
	"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO" NONCE ",s=" SALT    \
	",i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE

/* 0, or what every read fails with. */
static int read_error;

ssize_t
read(int fd, void *buf, size_t size)
{
	if (read_error == 0)
		return syscall(SYS_read, fd, buf, size);
	errno = read_error;
	return -1;
}

static void
example(struct scram_keys *keys, struct ipc_challenge *challenge,
    struct ipc_proof *given)
{
	size_t length;

	assert_true(scram_derive("pencil", SALT, 4096, keys));
	*challenge = (struct ipc_challenge){.type = IPC_CHALLENGE,
	    .iterations = 4096,
	    .salt = SALT,
	    .nonce = NONCE};
	*given = (struct ipc_proof){.type = IPC_PROOF, .message = MESSAGE};
	assert_true(text_from_base64("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    44, given->proof, sizeof(given->proof), &length));
}

static void
test_example(void **state)
{
	struct scram_keys keys;
	struct ipc_challenge challenge;
	struct ipc_proof given;
	const struct auth_proof proof = {&challenge, &given};
	unsigned char signature[IPC_KEY_SIZE];
	char text[TEXT_BASE64_SIZE(IPC_KEY_SIZE)];

	(void)state;
	example(&keys, &challenge, &given);
	assert_true(exchange_proves(&keys, &proof, signature));
	text_to_base64(text, signature, sizeof(signature));
	assert_string_equal(text, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

static void
test_every_change_is_wrong(void **state)
{
	struct scram_keys keys;
	struct ipc_challenge challenge;
	struct ipc_proof given;
	const struct auth_proof proof = {&challenge, &given};
	unsigned char signature[IPC_KEY_SIZE];

	(void)state;
	example(&keys, &challenge, &given);
	for (size_t bit = 0; bit < 8 * sizeof(given.proof); bit++) {
		given.proof[bit / 8] ^= (unsigned char)(1U << bit % 8);
		assert_false(exchange_proves(&keys, &proof, signature));
		given.proof[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	for (char *octet = given.message; *octet != '\0'; octet++) {
		*octet ^= 1;
		assert_false(exchange_proves(&keys, &proof, signature));
		*octet ^= 1;
	}
	assert_true(exchange_proves(&keys, &proof, signature));
}

/* A proof that is right in itself, over a message without what we gave. */
static void
test_not_our_challenge(void **state)
{
	struct scram_keys keys;
	struct ipc_challenge challenge, good;
	struct ipc_proof given;
	const struct auth_proof proof = {&challenge, &given};
	unsigned char signature[IPC_KEY_SIZE];

	(void)state;
	example(&keys, &good, &given);
	challenge = good;
	challenge.nonce[3] = 'x';
	assert_false(exchange_proves(&keys, &proof, signature));
	challenge = good;
	challenge.nonce[0] = '\0';
	assert_false(exchange_proves(&keys, &proof, signature));
	challenge = good;
	challenge.iterations = 409;
	assert_false(exchange_proves(&keys, &proof, signature));
	challenge = good;
	challenge.salt[0] = 'X';
	assert_false(exchange_proves(&keys, &proof, signature));
	challenge = good;
	assert_true(exchange_proves(&keys, &proof, signature));
}

static void
test_keys_as_text(void **state)
{
	struct scram_keys keys, again;
	char *text = scram_encode("pencil");

	(void)state;
	assert_non_null(text);
	assert_null(scram_parse(text, &keys));
	assert_int_equal(keys.iterations, SCRAM_ITERATIONS);
	assert_int_equal(keys.salt_len, SCRAM_SALT_SIZE);
	assert_true(scram_matches(text, "pencil"));
	assert_false(scram_matches(text, "Pencil"));
	assert_false(scram_matches(text, ""));
	free(text);
	text = scram_encode("pencil");
	assert_null(scram_parse(text, &again));
	assert_memory_not_equal(keys.salt, again.salt, SCRAM_SALT_SIZE);
	free(text);
}

static void
test_derive_limits(void **state)
{
	struct scram_keys keys;

	(void)state;
	assert_false(scram_derive("x", "", 4096, &keys));
	assert_false(scram_derive("x", "no base64", 4096, &keys));
	assert_false(scram_derive("x", SALT, 0, &keys));
	assert_false(scram_derive("x", SALT, SCRAM_ITERATIONS_MAX + 1, &keys));
	assert_true(scram_derive("", SALT, 1, &keys));
}

/* For a name among users without keys. */
static int
make_up(const struct config *config, const char *name, char salt[IPC_SALT_SIZE])
{
	static const struct imitation nobody;
	uint32_t iterations = SCRAM_ITERATIONS;
	int result = exchange_make_up(config, name, &nobody, salt, &iterations);

	assert_int_equal(iterations, SCRAM_ITERATIONS);
	return result;
}

static void
test_made_up(void **state)
{
	char folder[] = "/tmp/poplar-salt-XXXXXX", path[64];
	const struct config config = {.server = {.state_dir = folder}};
	char one[IPC_SALT_SIZE], two[IPC_SALT_SIZE];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/scram-key", folder);
	assert_int_equal(make_up(&config, "alice", one), 0);
	assert_int_equal(make_up(&config, "alice", two), 0);
	assert_string_equal(one, two);
	assert_int_equal(make_up(&config, "alicf", two), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), TEXT_BASE64_SIZE(SCRAM_SALT_SIZE) - 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* another key, another salt; a key that others could read is none */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(make_up(&config, "alice", two), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(make_up(&config, "alice", two), -1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(make_up(&config, "alice", two), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(make_up(&config, "alice", two), -1);
}

/* What the log says of a try that fails. */
static void
hear_failure(const struct config *config, char *text, size_t size)
{
	char salt[IPC_SALT_SIZE];
	struct told told;

	told_begin(&told, LOG_ERROR_LEVEL);
	assert_int_equal(make_up(config, "alice", salt), -1);
	read_error = 0;
	told_end(&told, text, size);
}

/* To remove the key is advice for a file that is none, not for a disk's fault. */
static void
test_advice(void **state)
{
	char folder[] = "/tmp/poplar-salt-XXXXXX", path[64], told[512];
	const struct config config = {.server = {.state_dir = folder}};
	char salt[IPC_SALT_SIZE];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/scram-key", folder);
	assert_int_equal(make_up(&config, "alice", salt), 0);
	read_error = EIO;
	hear_failure(&config, told, sizeof(told));
	assert_non_null(strstr(told, strerror(EIO)));
	assert_null(strstr(told, "remove it"));
	assert_int_equal(truncate(path, IPC_KEY_SIZE + 1), 0);
	hear_failure(&config, told, sizeof(told));
	assert_non_null(strstr(told, "remove it"));
	assert_int_equal(unlink(path) | mkdir(path, 0700), 0);
	hear_failure(&config, told, sizeof(told));
	assert_non_null(strstr(told, "remove it"));
	assert_int_equal(rmdir(path) | rmdir(folder), 0);
}

/* Of the one kind that there is: its iterations, and salts of its length. */
static void
test_made_up_like_others(void **state)
{
	char folder[] = "/tmp/poplar-salt-XXXXXX", path[64], one[IPC_SALT_SIZE],
	     two[IPC_SALT_SIZE];
	const struct config config = {.server = {.state_dir = folder}};
	unsigned char octets[SCRAM_SALT_MAX];
	uint32_t iterations;
	size_t length;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t salt = 1; salt <= SCRAM_SALT_MAX; salt++) {
		struct imitation imitation = {0};

		imitation_add(&imitation, (uint32_t)salt + 4000, salt);
		for (int turn = 0; turn < 2; turn++) {
			assert_int_equal(exchange_make_up(&config, "alice",
			                     &imitation, turn == 0 ? one : two,
			                     &iterations),
			    0);
			assert_int_equal(iterations, salt + 4000);
		}
		assert_string_equal(one, two);
		assert_true(text_from_base64(one, strlen(one), octets,
		    sizeof(octets), &length));
		assert_int_equal(length, salt);
	}
	/* no octets twice in a long one */
	assert_memory_not_equal(octets, octets + 32, 32);
	snprintf(path, sizeof(path), "%s/scram-key", folder);
	assert_int_equal(unlink(path) | rmdir(folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_example),
	    cmocka_unit_test(test_every_change_is_wrong),
	    cmocka_unit_test(test_not_our_challenge),
	    cmocka_unit_test(test_keys_as_text),
	    cmocka_unit_test(test_derive_limits),
	    cmocka_unit_test(test_made_up),
	    cmocka_unit_test(test_advice),
	    cmocka_unit_test(test_made_up_like_others),
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
