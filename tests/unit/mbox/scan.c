/*
 * The scanner against a reference parser that sees the whole file at once and
 * goes line by line: forms of section "mbox" of poplar(7), random and hostile
 * files, every split (faults D 50 to 57).
 */
#include "reference.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <xxhash.h>

#include "wire.h"

#define F1 "From a@b Tue Nov 17 21:28:37 2009\n"
#define F2 "From c Tue, 17 Nov 2009 1:28 +0100\r\n"
static uint64_t
sent_size(const char *src, size_t len)
{
	struct wire wire;
	static char out[8192];
	size_t taken;

	wire_start(&wire, WIRE_WHOLE);
	for (size_t at = 0; at < len; at += taken)
		wire_encode(&wire, src + at, len - at, out, sizeof(out), &taken);
	wire_finish(&wire, out);
	return wire.octets;
}

static enum md_error
scan(const char *src, size_t len, size_t first, size_t step, struct found *found)
{
	const struct scan_sink sink = {.ctx = found, .found = collect};
	struct scan *scan = scan_new();
	enum md_error error = MD_OK;
	size_t n;

	assert_non_null(scan);
	found->count = 0;
	scan_start(scan, 0, &sink);
	for (size_t at = 0, part = first; at < len && error == MD_OK; at += n) {
		n = part < len - at ? part : len - at;
		error = scan_feed(scan, src + at, n);
		part = step;
	}
	if (error == MD_OK)
		error = scan_finish(scan);
	scan_free(scan);
	return error;
}

static bool
is_rewritten(const char *line, size_t len)
{
	static const char *const names[] = {"Status:", "X-Status:", "X-Keywords:",
	    "X-UID:", "X-UIDL:", "X-IMAP:", "X-IMAPbase:", "X-Mozilla-",
	    "Content-Length:", "Lines:"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const size_t n = strlen(names[i]);

		if (len >= n && strncasecmp(line, names[i], n) == 0)
			return true;
	}
	return false;
}

/* MD5 of the headers; returns where the body begins. */
static uint64_t
hash_headers(const char *src, struct scan_message *message)
{
	static char headers[64 * 1024];
	uint64_t at = message->start;
	size_t len = 0, n = line_length(src + at, message->end - at);
	bool skipped = false, in_headers = true;

	for (at += n; at < message->end && in_headers; at += n) {
		n = line_length(src + at, message->end - at);
		in_headers = !is_empty(src + at, n);
		if (src[at] != ' ' && src[at] != '\t')
			skipped = is_rewritten(src + at, n);
		if (!in_headers || skipped)
			continue;
		assert_true(len + n < sizeof(headers));
		memcpy(headers + len, src + at, n);
		len += n;
	}
	if (len > 0 && headers[len - 1] != '\n')
		headers[len++] = '\n';
	EVP_Digest(headers, len, message->header, NULL, EVP_md5(), NULL);
	return at;
}

static void
hash_message(const char *src, struct scan_message *message)
{
	const uint64_t at = hash_headers(src, message);
	size_t len = message->end - at;
	XXH128_canonical_t body;

	if (len > 0 && src[at + len - 1] == '\n')
		len -= len > 1 && src[at + len - 2] == '\r' ? 2 : 1;
	XXH128_canonicalFromHash(&body, XXH3_128bits(src + at, len));
	memcpy(message->body, body.digest, HASH_SIZE);
}

/* The scanner finds what the reference does, with its hashes and the size sent. */
static void
check(const char *src, size_t len)
{
	static struct found want, got;
	enum md_error error = scan(src, len, len, len, &got);

	if (reference(src, len, &want) == -1) {
		assert_int_equal(error, MD_FORMAT);
		return;
	}
	assert_int_equal(error, MD_OK);
	assert_int_equal(got.count, want.count);
	for (size_t i = 0; i < got.count; i++) {
		size_t head;

		assert_int_equal(got.at[i].start, want.at[i].start);
		assert_int_equal(got.at[i].end, want.at[i].end);
		assert_int_equal(got.at[i].next, want.at[i].next);
		head = got.at[i].start;
		head += line_length(src + head, got.at[i].end - head);
		assert_int_equal(got.at[i].octets,
		    sent_size(src + head, got.at[i].end - head));
		hash_message(src, &want.at[i]);
		assert_memory_equal(got.at[i].header, want.at[i].header, HASH_SIZE);
		assert_memory_equal(got.at[i].body, want.at[i].body, HASH_SIZE);
	}
}

static void
check_split(const char *src, size_t len, size_t first, size_t step)
{
	static struct found want, got;
	enum md_error error = scan(src, len, len, len, &want);

	assert_int_equal(scan(src, len, first, step, &got), error);
	if (error != MD_OK)
		return;
	assert_int_equal(got.count, want.count);
	assert_memory_equal(got.at, want.at, got.count * sizeof(got.at[0]));
}

static const struct {
	const char *file;
	int count; /* -1: no mbox */
	uint64_t octets[3];
} forms[] = {
    {"",                                               0,  {0}      },
    {"\n",                                             -1, {0}      },
    {"\nFrom x\n",                                     -1, {0}      },
    {"Fro",                                            -1, {0}      },
    {"From",                                           -1, {0}      },
    {"from x\n",                                       -1, {0}      },
    {"From ",                                          1,  {2}      },
    {"From x",                                         1,  {2}      },
    {"From x\n",                                       1,  {2}      },
    {"From x\n\n",                                     1,  {2}      },
    {"From x\n\n\n",                                   1,  {2}      },
    {"From x\n\n\n\n",                                 1,  {4}      },
    {"From x\nA: b",                                   1,  {8}      },
    {"From x\nA: b\n",                                 1,  {8}      },
    {"From x\nA: b\n\n",                               1,  {8}      },
    {"From x\nA: b\n\nt",                              1,  {11}     },
    {"From x\nA: b\n\nt\n",                            1,  {11}     },
    {"From x\nA: b\n\nt\n\n",                          1,  {11}     },
    {"From x\r\nA: b\r\n\r\nt\r\n\r\n",                1,  {11}     },
    {"From x\nA: b\n\nt\n\n\n",                        1,  {13}     },
    {F1 "A: b\n\nt\n\n" F1 "C: d\n\nuu\n",             2,  {11, 12} },
    {F1 "A: b\n\nt\n" F1 "C: d\n\nuu\n",               1,  {58}     },
    {F1 "A: b\n" F1 "C: d\n\nuu\n",                    1,  {53}     },
    {F1 "A: b\n\n" F1 "C: d\n\nuu\n",                  2,  {8, 12}  },
    {F1 "\n" F1 "\n" F1,                               3,  {2, 2, 2}},
    {F1 "\n\n" F2 "\r\n" F1,                           3,  {2, 2, 2}},
    {F1 "A: b\n\nt\n\nFrom x\n",                       1,  {21}     },
    {F1 "A: b\n\nt\n\n>" F1,                           1,  {49}     },
    {F1 "Content-Length: 1000000\n\nt\n\n" F1 "\nt\n", 2,  {30, 5}  },
};

static void
test_forms(void **state)
{
	static struct found got;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t len = strlen(forms[i].file);
		enum md_error error = scan(forms[i].file, len, len, len, &got);

		check(forms[i].file, len);
		assert_int_equal(error, forms[i].count == -1 ? MD_FORMAT : MD_OK);
		if (error != MD_OK)
			continue;
		assert_int_equal(got.count, forms[i].count);
		for (size_t j = 0; j < got.count; j++)
			assert_int_equal(got.at[j].octets, forms[i].octets[j]);
	}
}

static const char *const pieces[] = {
    F1,
    F2,
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r\n",
    "\r",
    "From ",
    "From x\n",
    "Fr",
    "F",
    "\n" F1,
    "\n" F1 "A: b\n\n",
    "\r\n" F2,
    "Status: RO\n",
    "X-UID: 1\n 2\n",
    " folded\n",
    "Subject: x\n",
    ".",
    "text\n",
    "text",
    ">" F1,
    "\377",
    "From a Tue Nov 17 21:28:37",
    " 2009",
    "A: b\n\n",
    "X-IMAP: 1 2\n",
};

static size_t
hostile(char *dst, size_t max, int most)
{
	size_t len = 0;

	if (rand() % 8 != 0) {
		memcpy(dst, "From x\n", 7);
		len = 7;
	}
	for (int i = rand() % most; i > 0; i--) {
		const char *piece =
		    pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))];
		size_t n = strlen(piece);

		if (rand() % 40 == 0) {
			piece = "";
			n = 1; /* a NUL */
		}
		if (len + n > max)
			break;
		memcpy(dst + len, piece, n);
		len += n;
	}
	return len;
}

static void
test_random(void **state)
{
	static char src[8000];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++)
		check(src, hostile(src, sizeof(src), 40));
	for (int round = 0; round < 300; round++)
		check(src, hostile(src, sizeof(src), 800));
}

static void
test_every_split(void **state)
{
	char src[400];

	(void)state;
	srand(2);
	for (int round = 0; round < 150; round++) {
		size_t len = hostile(src, sizeof(src), 30);

		for (size_t first = 1; first < len; first++)
			check_split(src, len, first, len);
		check_split(src, len, 1, 1);
		check_split(src, len, 2, 2);
		check_split(src, len, 7, 3);
	}
}

/* Lines around the limit of the From_ line and around the carry. */
static void
test_split_long_lines(void **state)
{
	static char src[40000];
	static const char date[] = " Tue Nov 17 21:28:37 2009\n";

	(void)state;
	srand(3);
	for (int round = 0; round < 60; round++) {
		size_t len = 7;

		memcpy(src, "From x\n", 7);
		for (int i = 0; i < 4; i++) {
			size_t n = FROM_LINE_MAX - 40 + (size_t)rand() % 80;

			memcpy(src + len, "\n\nFrom ", 7);
			memset(src + len + 7, 'y', n);
			memcpy(src + len + 7 + n, date, sizeof(date) - 1);
			len += 7 + n + sizeof(date) - 1;
		}
		check(src, len);
		check_split(src, len, 1 + (size_t)rand() % len,
		    1 + (size_t)rand() % 6000);
		check_split(src, len, 1 + (size_t)rand() % len,
		    1 + (size_t)rand() % 6000);
		check_split(src, len, 1000, 97);
	}
}

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

/* Lists of mail that may stand beside the tree. */
static void
test_real_mail(void **state)
{
	static const char *const paths[] = {
	    "../shared/mail/default.mbox",
	    "../shared/mail/lkml.mbox",
	};
	char *src = malloc(1 << 20);

	(void)state;
	assert_non_null(src);
	for (size_t i = 0; i < 2; i++) {
		FILE *f = fopen(paths[i], "r");
		size_t len;

		if (f == NULL)
			continue;
		len = fread(src, 1, 1 << 20, f);
		fclose(f);
		check(src, len);
		check_split(src, len, 1 + i, 4099);
		check_split(src, len, 100, 61);
	}
	free(src);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_split_long_lines),
	    cmocka_unit_test(test_hashes),
	    cmocka_unit_test(test_stable_hashes),
	    cmocka_unit_test(test_internal),
	    cmocka_unit_test(test_start_inside),
	    cmocka_unit_test(test_start_anew),
	    cmocka_unit_test(test_sink_refuses),
	    cmocka_unit_test(test_real_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
