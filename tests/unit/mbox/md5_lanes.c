/*
 * MD5 in lanes against libcrypto's: the test suite of RFC 1321 section A.5, every
 * length around the ends of blocks, lanes of much different lengths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>

#include "mbox/md5_lanes.h"

#define TEXT_MAX 5000
#define BEHIND 0xA5

static unsigned char texts[MD5_LANES][TEXT_MAX + MD5_PADDING + 1];

static void
fill(size_t lane, size_t len)
{
	memset(texts[lane], BEHIND, sizeof(texts[lane]));
	for (size_t i = 0; i < len; i++)
		texts[lane][i] = (unsigned char)(random() & 0xff);
}

/* All lanes, of these lengths: what libcrypto makes of each, nothing else written. */
static void
check(const size_t lens[MD5_LANES])
{
	unsigned char got[MD5_LANES][MD5_SIZE], want[MD5_LANES][MD5_SIZE];
	struct md5_text lanes[MD5_LANES];

	for (size_t i = 0; i < MD5_LANES; i++) {
		fill(i, lens[i]);
		lanes[i] = (struct md5_text){texts[i], lens[i]};
		assert_int_equal(EVP_Digest(texts[i], lens[i], want[i], NULL,
		                     EVP_md5(), NULL),
		    1);
	}
	md5_lanes(lanes, got);
	assert_memory_equal(got, want, sizeof(got));
	for (size_t i = 0; i < MD5_LANES; i++)
		assert_int_equal(texts[i][lens[i] + MD5_PADDING], BEHIND);
}

static void
test_known(void **state)
{
	static const struct {
		const char *text, *digest;
	} known[MD5_LANES] = {
	    {"",
             "\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e"                                                                  },
	    {"a",
             "\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61"                                                                  },
	    {"abc",
             "\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72"                                                                  },
	    {"message digest",
             "\xf9\x6b\x69\x7d\x7c\xb7\x93\x8d\x52\x5a\x2f\x31\xaa\xf1\x61\xd0"                                                                  },
	    {"abcdefghijklmnopqrstuvwxyz",
             "\xc3\xfc\xd3\xd7\x61\x92\xe4\x00\x7d\xfb\x49\x6c\xca\x67\xe1\x3b"                                                                  },
	    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
             "\xd1\x74\xab\x98\xd2\x77\xd9\xf5\xa5\x61\x1c\x2c\x9f\x41\x9d\x9f"                                                                  },
	    {"1234567890123456789012345678901234567890123456789012345678901234567"
	     "8901234567890",	                             "\x57\xed\xf4\xa2\x2b\xe3\xc9\x55\xac\x49\xda\x2e\x21\x07\xb6\x7a"},
	    {"",
             "\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e"                                                                  },
	};
	unsigned char got[MD5_LANES][MD5_SIZE];
	struct md5_text lanes[MD5_LANES];

	(void)state;
	for (size_t i = 0; i < MD5_LANES; i++) {
		lanes[i] = (struct md5_text){texts[i], strlen(known[i].text)};
		memcpy(texts[i], known[i].text, lanes[i].len);
	}
	md5_lanes(lanes, got);
	for (size_t i = 0; i < MD5_LANES; i++)
		assert_memory_equal(got[i], known[i].digest, MD5_SIZE);
}

static void
test_lengths(void **state)
{
	size_t lens[MD5_LANES];

	(void)state;
	for (size_t len = 0; len < 200; len++) {
		for (size_t i = 0; i < MD5_LANES; i++)
			lens[i] = len + i;
		check(lens);
	}
}

static void
test_unlike_lanes(void **state)
{
	size_t lens[MD5_LANES];

	(void)state;
	for (int n = 0; n < 200; n++) {
		for (size_t i = 0; i < MD5_LANES; i++)
			lens[i] = (size_t)random() % (n < 100 ? 130 : TEXT_MAX);
		check(lens);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_unlike_lanes),
	};

	srandom(1);
	return cmocka_run_group_tests_name("md5_lanes", tests, NULL, NULL);
}
