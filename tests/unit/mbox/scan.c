/*
 * The scanner against a reference parser that sees the whole file at once and
 * goes line by line: forms of section "mbox" of poplar(7), random and hostile
 * files, every split (faults D 50 to 57). What is told of a message is in
 * scan_told.c.
 */
#include "scanning.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <xxhash.h>

#include "wire.h"

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
	    cmocka_unit_test(test_real_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
