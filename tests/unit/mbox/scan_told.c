/*
 * What the scanner tells of a message, and when: its hashes, whether it is a
 * folder's internal one (fault D 57), where a scan begins and how it is given up.
 */
#include "scanning.h"

#include <openssl/evp.h>
#include <xxhash.h>

/* The only message of a file. */
static struct scan_message
only(const char *file)
{
	static struct found got;

	assert_int_equal(scan(file, strlen(file), 9999, 9999, &got), MD_OK);
	assert_int_equal(got.count, 1);
	return got.at[0];
}

static bool
same_hashes(const char *a, const char *b)
{
	struct scan_message first = only(a), second = only(b);

	return memcmp(first.header, second.header, HASH_SIZE) == 0 &&
	       memcmp(first.body, second.body, HASH_SIZE) == 0;
}

static void
test_hashes(void **state)
{
	unsigned char md5[HASH_SIZE];
	XXH128_canonical_t xxh;
	struct scan_message message = only(
	    F1 "A: b\nStatus: RO\nC: d\n\none\ntwo\n");

	(void)state;
	EVP_Digest("A: b\nC: d\n", 10, md5, NULL, EVP_md5(), NULL);
	XXH128_canonicalFromHash(&xxh, XXH3_128bits("one\ntwo", 7));
	assert_memory_equal(message.header, md5, HASH_SIZE);
	assert_memory_equal(message.body, xxh.digest, HASH_SIZE);
}

/* What readers and deliverers change leaves the unique-id alone. */
static void
test_stable_hashes(void **state)
{
	(void)state;
	assert_true(same_hashes(F1 "A: b\n\nt\n", F2 "A: b\n\nt\n\n"));
	assert_true(same_hashes(F1 "A: b\n\nt\n", F1 "A: b\n\nt"));
	assert_true(same_hashes(F1 "A: b\n", F1 "A: b"));
	assert_true(same_hashes(F1 "A: b\n\n", F1 "A: b"));
	assert_true(same_hashes(F1 "A: b\n\nt\n",
	    F1 "Status: O\nA: b\nX-Status: A\nX-Keywords: a\n b\n\tc\nx-uid: "
	       "7\nX-UIDL: x\n"
	       "X-IMAP: 1 2\nX-IMAPbase: 1 2\nX-Mozilla-Status: 0001\n"
	       "X-Mozilla-Status2: 0\nContent-Length: 2\nLines: 1\n\nt\n"));
	assert_false(same_hashes(F1 "A: b\n\nt\n", F1 "A: b\n c\n\nt\n"));
	assert_false(same_hashes(F1 "A: b\n\nt\n", F1 "A: b\n\nT\n"));
	assert_false(same_hashes(F1 "A: b\n\nt\n", F1 "a: b\n\nt\n"));
	assert_false(
	    same_hashes(F1 "A: b\n\nt\n", F1 "A: b\nX-Statuses: 1\n\nt\n"));
	assert_false(same_hashes(F1 "A: b\n\nt\n", F1 "A: b\n\nStatus: t\n"));
}

#define DAEMON "From MAILER-DAEMON Tue Nov 17 21:28:37 2009\n"
#define SUBJECT "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"

/* 57: only the real internal message is one. */
static const struct {
	const char *file;
	bool internal;
} internals[] = {
    {DAEMON SUBJECT "X-IMAP: 1 2\nStatus: RO\n\nThis text is ...\n",              true },
    {"From MAILER-DAEMON@h Tue Nov 17 21:28:37 2009\nX-IMAP: 1 2\n" SUBJECT "\n",
     true                                                                              },
    {DAEMON "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\nX-IMAP: "
            "1\r\n",                                                         true },
    {DAEMON SUBJECT "X-IMAP: 1 2\nReceived: from x\n\n",                          false},
    {DAEMON "received: from x\n" SUBJECT "X-IMAP: 1 2\n\n",                       false},
    {DAEMON SUBJECT "X-IMAPbase: 1 2\n\n",                                        false},
    {DAEMON SUBJECT "\nX-IMAP: 1 2\n",                                            false},
    {DAEMON "Subject: hello\nX-IMAP: 1 2\n\n",                                    false},
    {DAEMON "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA!\nX-IMAP: "
            "1\n\n",                                                         false},
    {F1 SUBJECT "X-IMAP: 1 2\n\n",                                                false},
    {"From MAILER-DAEMONS Tue Nov 17 21:28:37 2009\n" SUBJECT "X-IMAP: 1 2\n\n",
     false                                                                             },
};

static void
test_internal(void **state)
{
	static struct found got;
	static const char second[] = F1 "\nt\n\n" DAEMON SUBJECT "X-IMAP: 1 2\n\n";

	(void)state;
	for (size_t i = 0; i < sizeof(internals) / sizeof(internals[0]); i++) {
		const char *file = internals[i].file;

		assert_int_equal(only(file).internal, internals[i].internal);
		for (size_t n = 1; n < strlen(file); n++)
			check_split(file, strlen(file), n, n);
	}
	assert_int_equal(scan(second, sizeof(second) - 1, 999, 999, &got), MD_OK);
	assert_int_equal(got.count, 2);
	assert_false(got.at[1].internal);
}

/* Beginning in the middle, a From_ line must be one, and nothing is internal. */
static void
test_start_inside(void **state)
{
	static const char inside[] = DAEMON SUBJECT "X-IMAP: 1 2\n\n";
	static struct found got;
	const struct scan_sink sink = {.ctx = &got, .found = collect};
	struct scan *scan = scan_new();

	(void)state;
	assert_non_null(scan);
	got.count = 0;
	scan_start(scan, 100, &sink);
	assert_int_equal(scan_feed(scan, inside, sizeof(inside) - 1), MD_OK);
	assert_int_equal(scan_finish(scan), MD_OK);
	assert_int_equal(got.count, 1);
	assert_int_equal(got.at[0].start, 100);
	assert_false(got.at[0].internal);
	scan_start(scan, 100, &sink);
	assert_int_equal(scan_feed(scan, "From x\n\nt\n", 10), MD_FORMAT);
	scan_start(scan, 100, &sink);
	assert_int_equal(scan_finish(scan), MD_OK);
	assert_int_equal(got.count, 1);
	scan_free(scan);
}

/*
 * What has ended in a scan that was given up is not told by the next one, nor does
 * its hash take the place of another, which long headers have at once.
 */
static void
test_start_anew(void **state)
{
	static const char given_up[] = F1 "\n" F1 "\n" F1 "\n";
	static struct found got, want;
	static char text[32 * 1024] = "From x\nA: ";
	const struct scan_sink sink = {.ctx = &got, .found = collect};
	struct scan *anew = scan_new();

	(void)state;
	assert_non_null(anew);
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text));
	assert_int_equal(
	    scan(text, sizeof(text), sizeof(text), sizeof(text), &want), MD_OK);
	got.count = 0;
	scan_start(anew, 0, &sink);
	assert_int_equal(scan_feed(anew, given_up, strlen(given_up)), MD_OK);
	scan_start(anew, 0, &sink);
	assert_int_equal(scan_feed(anew, text, sizeof(text)), MD_OK);
	assert_int_equal(scan_finish(anew), MD_OK);
	assert_int_equal(got.count, 1);
	assert_memory_equal(got.at, want.at, sizeof(got.at[0]));
	scan_free(anew);
}

static enum md_error
refuse(void *ctx, const struct scan_message *message)
{
	(void)message;
	++*(int *)ctx;
	return MD_TOO_BIG;
}

static void
test_sink_refuses(void **state)
{
	static const char message[] = F1 "\n";
	int calls = 0;
	const struct scan_sink sink = {.ctx = &calls, .found = refuse};
	struct scan *scan = scan_new();

	(void)state;
	assert_non_null(scan);
	scan_start(scan, 0, &sink);
	/* the first one has ended; it is told with others */
	for (size_t i = 0; i <= HASH_OWED_MAX; i++)
		scan_feed(scan, message, strlen(message));
	assert_int_equal(scan_feed(scan, message, strlen(message)), MD_TOO_BIG);
	assert_int_equal(scan_finish(scan), MD_TOO_BIG);
	assert_int_equal(calls, 1);
	scan_free(scan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hashes),
	    cmocka_unit_test(test_stable_hashes),
	    cmocka_unit_test(test_internal),
	    cmocka_unit_test(test_start_inside),
	    cmocka_unit_test(test_start_anew),
	    cmocka_unit_test(test_sink_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
