/*
 * What is in a maildrop, and what is sent of it: faults D 49 to 57, 67.
 */
#include "box.h"

#include <sys/resource.h>
#include <time.h>

#define INTERNAL                                                                   \
	"From MAILER-DAEMON Tue Nov 17 21:28:37 2009\n"                            \
	"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 "   \
	"2\n\nx\n\n"

/* 49 */
static void
test_absent_and_empty(void **state)
{
	struct box box;
	struct stat st;
	uint32_t removed;

	(void)state;
	box_make(&box);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 0);
	assert_int_equal(maildrop_octets(box.md), 0);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	assert_int_equal(removed, 0);
	box_close(&box);
	assert_int_equal(stat(box.mbox, &st), -1);
	box_fill(&box, "");
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 0);
	assert_int_equal(maildrop_live(box.md), 0);
	box_remove(&box);
}

/* 50 */
static void
test_no_mbox(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, "hello\n" F1 "\nx\n");
	assert_int_equal(box_try(&box, O_RDWR), MD_FORMAT);
	assert_null(box.md);
	assert_int_equal(box.dotlocks, box.undotlocks);
	box_check(&box, "hello\n" F1 "\nx\n");
	box_remove(&box);
}

static const struct {
	const char *file;
	uint32_t count;
	const char *sent[3];
} forms[] = {
    {F1,                                      1, {"\r\n"}                           },
    {F1 "A: b",                               1, {"A: b\r\n\r\n"}                   },
    {F1 "A: b\n\nt",                          1, {"A: b\r\n\r\nt\r\n"}              },
    {F1 "A: b\n\nt\n\n" F1 "C: d\n\nu",       2,
     {"A: b\r\n\r\nt\r\n", "C: d\r\n\r\nu\r\n"}                                     },
    {F1 "A: b\r\n\r\nt\nu\r\n\r\n" F1 "\r\n", 2,
     {"A: b\r\n\r\nt\r\nu\r\n", "\r\n"}                                             },
    {F1 "\n" F1 "\n" F1 "\n",                 3, {"\r\n", "\r\n", "\r\n"}           },
    {F1 "\n.\n..\n.x\n",                      1, {"\r\n..\r\n...\r\n..x\r\n"}       },
    {F1 "A: b\n" F1 "\nt\n",                  1,
     {"A: b\r\nFrom a@b Tue Nov 17 21:28:37 2009\r\n\r\nt\r\n"}                     },
    {F1 "\n>From me\n\nFrom me\n",            1, {"\r\n>From me\r\n\r\nFrom me\r\n"}},
    {INTERNAL F1 "A: b\n\nt\n",               1, {"A: b\r\n\r\nt\r\n"}              },
    {INTERNAL,                                0, {0}                                },
    {"From x\n\nt\n",                         1, {"\r\nt\r\n"}                      },
};

static size_t
count_stuffing(const char *text)
{
	size_t n = text[0] == '.';

	for (; *text != '\0'; text++)
		n += text[0] == '\n' && text[1] == '.';
	return n;
}

/* 51 to 53, 56, 57 */
static void
test_forms(void **state)
{
	static char got[4096 * 2];
	struct box box;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		uint64_t octets = 0;

		box_make(&box);
		box_fill(&box, forms[i].file);
		box_open(&box);
		assert_int_equal(maildrop_count(box.md), forms[i].count);
		for (uint32_t n = 1; n <= forms[i].count; n++) {
			const char *want = forms[i].sent[n - 1];

			assert_int_equal(box_fetch(&box, n, WIRE_WHOLE, 4096, got,
			                     sizeof(got), &len),
			    MD_OK);
			assert_string_equal(got, want);
			assert_int_equal(maildrop_size(box.md, n),
			    len - count_stuffing(want));
			octets += maildrop_size(box.md, n);
		}
		assert_int_equal(maildrop_octets(box.md), octets);
		box_remove(&box);
	}
}

static void
test_top(void **state)
{
	static const char *const want[] = {"A: b\r\n\r\n", "A: b\r\n\r\n1\r\n",
	    "A: b\r\n\r\n1\r\n2\r\n", "A: b\r\n\r\n1\r\n2\r\n"};
	static char got[4096 * 2];
	struct box box;
	size_t len;

	(void)state;
	box_make(&box);
	box_fill(&box, F1 "A: b\n\n1\n2\n\n" F1 "\nx\n");
	box_open(&box);
	for (uint32_t lines = 0; lines < 4; lines++) {
		assert_int_equal(
		    box_fetch(&box, 1, lines, 4096, got, sizeof(got), &len), MD_OK);
		assert_string_equal(got, want[lines]);
	}
	box_remove(&box);
}

/* 54, 67: any octet goes out as it is stored; holes are NULs */
static void
test_octets(void **state)
{
	static char file[1 << 19], got[1 << 20];
	struct box box;
	size_t len = sizeof(F1), want = 2;
	int fd;

	(void)state;
	box_make(&box);
	memcpy(file, F1 "\n", len);
	srand(1);
	while (len < sizeof(file) - 300000)
		file[len++] = (char)rand();
	file[len++] = '\n';
	box_write(&box, box.mbox, O_TRUNC, file, len);
	fd = open(box.mbox, O_WRONLY);
	assert_int_equal(ftruncate(fd, sizeof(file)), 0);
	close(fd);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 1);
	assert_int_equal(
	    box_fetch(&box, 1, WIRE_WHOLE, 4099, got, sizeof(got), &len), MD_OK);
	for (size_t i = sizeof(F1); i < sizeof(file); i++) {
		if (file[i - 1] == '\n' && file[i] == '.')
			assert_int_equal(got[want++], '.');
		if (file[i] == '\n' && file[i - 1] != '\r')
			assert_int_equal(got[want++], '\r');
		if (got[want++] != file[i])
			fail();
	}
	assert_int_equal(len, want + 2);
	box_remove(&box);
}

static long
memory_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Fetches all of a message without keeping it. Returns its octets. */
static uint64_t
drain(struct box *box, uint32_t number)
{
	static char buf[1 << 16];
	uint64_t total = 0;
	size_t n;

	assert_int_equal(maildrop_read(box->md, number, WIRE_WHOLE), MD_OK);
	do {
		assert_int_equal(maildrop_next(box->md, buf, sizeof(buf), &n),
		    MD_OK);
		total += n;
	} while (n > 0);
	return total;
}

/* A message with a hole of so many octets as its last line. */
static void
check_hole(uint64_t octets, bool whole)
{
	const long before = memory_kb();
	struct box box;
	int fd;

	box_make(&box);
	box_fill(&box, F1 "A: b\n\n");
	fd = open(box.mbox, O_WRONLY);
	assert_int_equal(ftruncate(fd, (off_t)(sizeof(F1) + 5 + octets)), 0);
	assert_int_equal(pwrite(fd, "\n\n" F1 "\nx\n", 39,
	                     (off_t)(sizeof(F1) + 5 + octets)),
	    39);
	close(fd);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 2);
	assert_int_equal(maildrop_size(box.md, 1), 8 + octets + 2);
	if (whole)
		assert_int_equal(drain(&box, 1), 8 + octets + 2);
	box_sends(&box, 2, "\r\nx\r\n");
	box_remove(&box);
	assert_true(memory_kb() - before < 4096);
}

/* 55: a line of 1 GiB; a message over 4 GiB */
static void
test_huge(void **state)
{
	(void)state;
	check_hole(1ULL << 30, true);
	check_hole((1ULL << 32) + 5, false);
}

static clock_t
undelete(struct box *box, unsigned times)
{
	const clock_t began = clock();

	for (unsigned i = 0; i < times; i++)
		maildrop_undelete_all(box->md);
	return clock() - began;
}

/* 55: 10^6 header lines, 10^6 messages */
static void
test_many(void **state)
{
	static const char line[] = "X-Header: value\n", message[] = F1 "\n";
	const size_t million = 1000000;
	char *file = malloc(million * sizeof(message) + 100);
	struct box box;
	clock_t once;
	size_t len = sizeof(F1) - 1;

	(void)state;
	assert_non_null(file);
	box_make(&box);
	memcpy(file, F1, len);
	for (size_t i = 0; i < million; i++, len += sizeof(line) - 1)
		memcpy(file + len, line, sizeof(line) - 1);
	box_write(&box, box.mbox, O_TRUNC, file, len);
	box_open(&box);
	assert_int_equal(maildrop_size(box.md, 1), million * sizeof(line) + 2);
	assert_int_equal(drain(&box, 1), million * sizeof(line) + 2);
	box_close(&box);
	len = 0;
	for (size_t i = 0; i < million; i++, len += sizeof(message) - 1)
		memcpy(file + len, message, sizeof(message) - 1);
	box_write(&box, box.mbox, O_TRUNC, file, len);
	free(file);
	box_settle();
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), million);
	box_sends(&box, 500000, "\r\n");
	box_uid(&box, 1000000);
	box_close(&box);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	assert_int_equal(maildrop_octets(box.md), 2 * million);
	/* where none is marked, none is looked at */
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	once = undelete(&box, 1);
	assert_true(undelete(&box, 100) < once);
	box_remove(&box);
}

static void
test_limits(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, F1 "\n" F1 "\n" F1 "\n");
	box.limits.max_messages = 2;
	assert_int_equal(box_try(&box, O_RDWR), MD_TOO_BIG);
	box_close(&box);
	box.limits.max_messages = 3;
	box_settle();
	box_visit(&box);
	box.limits.max_messages = 2;
	assert_int_equal(box_try(&box, O_RDWR), MD_TOO_BIG);
	box_close(&box);
	box.limits.max_messages = 0;
	box.limits.max_size = 104;
	assert_int_equal(box_try(&box, O_RDWR), MD_TOO_BIG);
	box_close(&box);
	box.limits.max_size = 105;
	box_open(&box);
	assert_int_equal(box.dotlocks, box.undotlocks);
	box_remove(&box);
}

static void
test_marks(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, F1 "\n1\n\n" F1 "\n22\n\n" F1 "\n333\n");
	box_open(&box);
	assert_int_equal(maildrop_octets(box.md), 5 + 6 + 7);
	assert_int_equal(maildrop_delete(box.md, 2), MD_OK);
	assert_int_equal(maildrop_delete(box.md, 2), MD_OK);
	assert_true(maildrop_is_deleted(box.md, 2));
	assert_int_equal(maildrop_live(box.md), 2);
	assert_int_equal(maildrop_octets(box.md), 12);
	assert_int_equal(maildrop_count(box.md), 3);
	maildrop_undelete_all(box.md);
	assert_false(maildrop_is_deleted(box.md, 2));
	assert_int_equal(maildrop_live(box.md), 3);
	box_remove(&box);
}

/* What looks like the internal message, and becomes the first by a deletion. */
static void
test_internal_later(void **state)
{
	static const char sent[] =
	    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n"
	    "X-IMAP: 1 2\r\n\r\nx\r\n";
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, F1 "\n1\n\n" INTERNAL F1 "\n22\n");
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 3);
	box_delete(&box, (const uint32_t[]){1, 0});
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 2);
	box_sends(&box, 1, sent);
	box_close(&box);
	box_open(&box);
	box_delete(&box, (const uint32_t[]){1, 0});
	box_check(&box, F1 "\n22\n");
	box_remove(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_absent_and_empty),
	    cmocka_unit_test(test_no_mbox),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_top),
	    cmocka_unit_test(test_octets),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_marks),
	    cmocka_unit_test(test_internal_later),
	    cmocka_unit_test(test_huge),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
