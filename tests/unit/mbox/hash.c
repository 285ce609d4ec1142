/*
 * The hashes of a message: the same for any split of its octets, empty pieces
 * among them, and with or without the last line end; and however many other
 * messages' headers are hashed along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mbox/hash.h"

#define HEADER "Subject: x\r\nTo: y\n"

struct hashes {
	unsigned char header[HASH_SIZE], body[HASH_SIZE];
};

/* Fed in three pieces, cut at two places, and an empty one behind each. */
static struct hashes
hash_pieces(const char *header, const char *body, size_t first, size_t second)
{
	const size_t cuts[] = {0, first, first, second, second, strlen(body),
	    strlen(body)};
	struct hash *hash = hash_new();
	struct hashes hashes;

	assert_non_null(hash);
	hash_start(hash);
	hash_header(hash, header, strlen(header));
	hash_header(hash, header, 0);
	for (size_t i = 1; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		hash_body(hash, body + cuts[i - 1], cuts[i] - cuts[i - 1]);
	hash_finish(hash, hashes.header, hashes.body);
	hash_settle(hash);
	hash_free(hash);
	return hashes;
}

static void
test_splits(void **state)
{
	static const char *const bodies[] = {"one\r\ntwo\r\n", "\r\n\r\n",
	    "a\r\r\nb\r", "\n\n\n", "x", "\r"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct hashes whole = hash_pieces(HEADER, bodies[i], 0, 0);

		for (size_t first = 0; first <= strlen(bodies[i]); first++) {
			for (size_t second = first; second <= strlen(bodies[i]);
			     second++) {
				const struct hashes cut = hash_pieces(HEADER,
				    bodies[i], first, second);

				assert_memory_equal(&cut, &whole, sizeof(cut));
			}
		}
	}
}

static void
test_last_line_end(void **state)
{
	const struct hashes unended = hash_pieces(HEADER, "one\ntwo", 0, 0),
	                    lf = hash_pieces(HEADER, "one\ntwo\n", 0, 0),
	                    crlf = hash_pieces(HEADER, "one\ntwo\r\n", 0, 0),
	                    more = hash_pieces(HEADER, "one\ntwo\n\n", 0, 0),
	                    cut = hash_pieces("Subject: x\r\nTo: y", "one\ntwo", 0,
	                        0);

	(void)state;
	assert_memory_equal(&lf, &unended, sizeof(lf));
	assert_memory_equal(&crlf, &unended, sizeof(crlf));
	assert_memory_equal(&cut, &unended, sizeof(cut));
	assert_memory_not_equal(more.body, unended.body, HASH_SIZE);
}

/* Headers of so many octets, fed in pieces. */
static void
feed_header(struct hash *hash, const char *text, size_t len)
{
	const size_t piece = 1 + (size_t)random() % 9000;

	hash_start(hash);
	for (size_t at = 0; at < len; at += piece)
		hash_header(hash, text + at, piece < len - at ? piece : len - at);
}

/* More messages than can be owed, now and then with headers too long to wait. */
static void
test_header_is_owed(void **state)
{
	enum { MESSAGES = 3 * HASH_OWED_MAX, LONGEST = 40000 };
	static char texts[MESSAGES][LONGEST];
	unsigned char got[MESSAGES][HASH_SIZE], body[HASH_SIZE], want[HASH_SIZE];
	struct hash *hash = hash_new();

	(void)state;
	assert_non_null(hash);
	for (size_t count = 0; count <= MESSAGES; count++) {
		size_t len[MESSAGES];

		for (size_t i = 0; i < count; i++) {
			len[i] = 1 +
			         (size_t)random() % (i % 5 == 4 ? LONGEST : 900);
			memset(texts[i], (int)('a' + i), len[i]);
			texts[i][len[i] - 1] = '\n';
			feed_header(hash, texts[i], len[i]);
			hash_finish(hash, got[i], body);
		}
		hash_settle(hash);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(EVP_Digest(texts[i], len[i], want, NULL,
			                     EVP_md5(), NULL),
			    1);
			assert_memory_equal(got[i], want, HASH_SIZE);
		}
	}
	hash_free(hash);
}

/* Eight headers of so many octets and up, which have their last line end or not. */
static void
check_lengths(struct hash *hash, size_t len, bool ended)
{
	enum { LONGEST = 20000 };
	static char texts[HASH_OWED_MAX][LONGEST];
	unsigned char got[HASH_OWED_MAX][HASH_SIZE], body[HASH_SIZE],
	    want[HASH_SIZE];

	for (size_t i = 0; i < HASH_OWED_MAX; i++) {
		memset(texts[i], (int)('a' + i), len + i);
		texts[i][len + i] = '\n';
		feed_header(hash, texts[i], len + i + ended);
		hash_finish(hash, got[i], body);
	}
	hash_settle(hash);
	for (size_t i = 0; i < HASH_OWED_MAX; i++) {
		assert_int_equal(EVP_Digest(texts[i], len + i + 1, want, NULL,
		                     EVP_md5(), NULL),
		    1);
		assert_memory_equal(got[i], want, HASH_SIZE);
	}
}

/* About 16 kB, where they get too long to be kept; and short ones, not ended. */
static void
test_header_lengths(void **state)
{
	enum { KEPT = 16 * 1024, AROUND = 80 };
	struct hash *hash = hash_new();

	(void)state;
	assert_non_null(hash);
	for (size_t len = KEPT - AROUND; len < KEPT + AROUND; len++) {
		check_lengths(hash, len, true);
		check_lengths(hash, len, false);
	}
	for (size_t len = 1; len < AROUND; len++)
		check_lengths(hash, len, false);
	hash_free(hash);
}

/* What a message had that was given up says nothing of the next one. */
static void
test_given_up(void **state)
{
	static const char text[40000];
	static const size_t before[] = {1, sizeof(text)};
	unsigned char header[HASH_SIZE], body[HASH_SIZE], want[HASH_SIZE];
	struct hash *hash = hash_new();

	(void)state;
	assert_non_null(hash);
	assert_int_equal(EVP_Digest("", 0, want, NULL, EVP_md5(), NULL), 1);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		feed_header(hash, text, before[i]); /* its line does not end */
		hash_start(hash);
		hash_finish(hash, header, body);
		hash_settle(hash);
		assert_memory_equal(header, want, HASH_SIZE);
	}
	hash_free(hash);
}

static void
test_forget(void **state)
{
	const unsigned char untouched[HASH_SIZE] = {0};
	unsigned char header[HASH_SIZE] = {0}, body[HASH_SIZE];
	struct hash *hash = hash_new();

	(void)state;
	assert_non_null(hash);
	hash_start(hash);
	hash_finish(hash, header, body);
	hash_forget(hash);
	hash_settle(hash);
	assert_memory_equal(header, untouched, HASH_SIZE);
	hash_free(hash);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_splits),
	    cmocka_unit_test(test_last_line_end),
	    cmocka_unit_test(test_header_is_owed),
	    cmocka_unit_test(test_header_lengths),
	    cmocka_unit_test(test_given_up),
	    cmocka_unit_test(test_forget),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
