/*
 * Cuts on real files: every choice of messages, the octets that stay, what
 * is left in the journal, and the octets written for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mbox/cut.h"

#define PARTS 6

static int
make_file(void)
{
	char path[] = "/tmp/poplar-cut-XXXXXX";
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	unlink(path);
	return fd;
}

/* Parts of given lengths, each of its own octets. */
static char *
fill(int fd, const off_t length[PARTS], off_t start[PARTS + 1])
{
	char *content;

	start[0] = 0;
	for (int i = 0; i < PARTS; i++)
		start[i + 1] = start[i] + length[i];
	content = malloc((size_t)start[PARTS]);
	assert_non_null(content);
	for (off_t at = 0; at < start[PARTS]; at++)
		content[at] = (char)((at * 2654435761u) >> 11);
	for (int i = 0; i < PARTS; i++)
		memcpy(content + start[i], "From ", 5);
	assert_int_equal(pwrite(fd, content, (size_t)start[PARTS], 0),
	    start[PARTS]);
	return content;
}

static void
check_content(int fd, const char *want, size_t size)
{
	char *got = malloc(size + 1);

	assert_non_null(got);
	assert_int_equal(pread(fd, got, size + 1, 0), (ssize_t)size);
	assert_memory_equal(got, want, size);
	free(got);
}

/* Cuts the parts whose bits are set in `gone`. */
static enum md_error
cut_parts(int mbox, int journal, const off_t start[PARTS + 1], unsigned gone)
{
	struct cut cut = {.mbox = mbox, .journal = journal, .size = start[PARTS]};
	struct span keep[PARTS];
	int first = 0;

	while ((gone >> first & 1) == 0)
		first++;
	cut.from = start[first];
	cut.keep = keep;
	for (int i = first; i < PARTS; i++) {
		if ((gone >> i & 1) == 0)
			keep[cut.count++] = (struct span){start[i], start[i + 1]};
	}
	return cut_commit(&cut);
}

static void
check_cut(const off_t length[PARTS], unsigned gone)
{
	int mbox = make_file(), journal = make_file();
	off_t start[PARTS + 1], size = 0;
	char *content = fill(mbox, length, start);
	enum md_recovery recovery;
	struct stat st;

	assert_int_equal(cut_prepare(journal), 0);
	assert_int_equal(cut_parts(mbox, journal, start, gone), MD_OK);
	for (int i = 0; i < PARTS; i++) {
		if ((gone >> i & 1) != 0)
			continue;
		memmove(content + size, content + start[i], (size_t)length[i]);
		size += length[i];
	}
	check_content(mbox, content, (size_t)size);
	if (gone % 2 == 0)
		assert_int_equal(cut_tidy(journal), 0);
	assert_int_equal(cut_recover(mbox, journal, &recovery), MD_OK);
	assert_int_equal(recovery, MD_RECOVERY_NONE);
	assert_int_equal(fstat(journal, &st), 0);
	assert_int_equal(st.st_size, 0);
	check_content(mbox, content, (size_t)size);
	free(content);
	close(mbox);
	close(journal);
}

static void
test_small(void **state)
{
	static const off_t length[PARTS] = {40, 700, 5, 5000, 300, 9000};

	(void)state;
	for (unsigned gone = 1; gone < 1u << PARTS; gone++)
		check_cut(length, gone);
}

/* Longer than the buffer, and ends on and beside the edges of blocks. */
static void
test_large(void **state)
{
	static const off_t length[PARTS] = {4096, 700000, 8192, 262144, 4095,
	    300001};

	(void)state;
	for (unsigned gone = 1; gone < 1u << PARTS; gone += 3)
		check_cut(length, gone);
}

static void
test_prepared_is_nothing(void **state)
{
	int mbox = make_file(), journal = make_file();
	enum md_recovery recovery;
	struct stat st;

	(void)state;
	assert_int_equal(cut_prepare(journal), 0);
	assert_int_equal(fstat(journal, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_true(st.st_blocks > 0);
	assert_int_equal(cut_recover(mbox, journal, &recovery), MD_OK);
	assert_int_equal(recovery, MD_RECOVERY_NONE);
	assert_int_equal(cut_recover(-1, journal, &recovery), MD_OK);
	assert_int_equal(recovery, MD_RECOVERY_NONE);
	close(mbox);
	close(journal);
}

static void
test_changed(void **state)
{
	static const off_t length[PARTS] = {40, 700, 5, 5000, 300, 9000};
	int mbox = make_file(), journal = make_file();
	off_t start[PARTS + 1];
	char *content = fill(mbox, length, start);

	(void)state;
	assert_int_equal(pwrite(mbox, "x", 1, start[PARTS]), 1);
	assert_int_equal(cut_parts(mbox, journal, start, 2), MD_CHANGED);
	assert_int_equal(ftruncate(mbox, start[PARTS]), 0);
	check_content(mbox, content, (size_t)start[PARTS]);
	free(content);
	close(mbox);
	close(journal);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_prepared_is_nothing),
	    cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
