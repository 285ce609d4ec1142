/*
 * Each call to the disk, and each allocation, failing once and from then on:
 * faults G 79, 80, H 94. Whatever fails, the maildrop is afterwards the old
 * or the new one, an answer that was given was right, and the next session
 * with a good disk works.
 */
#include "letters.h"
#include "fake_disk.h"

#include <limits.h>

/* The allocation that fails, counted from arming; 0: none does. */
static struct {
	int calls, at;
} memory;

#ifndef POPLAR_SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool
is_short(void)
{
	return memory.at > 0 && ++memory.calls == memory.at;
}

void *
malloc(size_t size)
{
	return is_short() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return is_short() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return is_short() ? NULL : __libc_realloc(old, size);
}

void *
reallocarray(void *old, size_t count, size_t size)
{
	return is_short() ? NULL : __libc_realloc(old, count * size);
}
#endif

/* A session that fetches the second message and deletes the first. */
static enum md_error
run(struct box *box)
{
	static char text[1 << 14];
	uint32_t removed;
	size_t len;
	enum md_error error = box_try(box, O_RDWR);

	if (error != MD_OK)
		return error;
	assert_int_equal(maildrop_count(box->md), 3);
	error = box_fetch(box, 2, WIRE_WHOLE, 4096, text, sizeof(text), &len);
	if (error != MD_OK)
		return error;
	assert_string_equal(text, SENT_B);
	assert_int_equal(maildrop_delete(box->md, 1), MD_OK);
	error = maildrop_update(box->md, &removed);
	assert_int_equal(removed, error == MD_OK);
	return error;
}

static bool
is_content(struct box *box, const char *text)
{
	char got[1024] = "";
	int fd = open(box->mbox, O_RDONLY);

	assert_true(read(fd, got, sizeof(got) - 1) > 0);
	close(fd);
	return strcmp(got, text) == 0;
}

/* One session under faults, then one without: the old maildrop or the new. */
static enum md_error
check(bool known, int allocation)
{
	struct box box;
	enum md_error error;

	fault.off = true;
	box_make(&box);
	box.hasty = true;
	box_fill(&box, A B C);
	if (known) {
		box_settle();
		box_visit(&box);
	}
	fault.off = false;
	fault.calls = 0;
	memory.calls = 0;
	memory.at = allocation;
	error = run(&box);
	memory.at = 0;
	fault.off = true;
	assert_int_equal(box.dotlocks, box.undotlocks);
	box_close(&box);
	if (error == MD_OK)
		assert_true(is_content(&box, B C));
	box_open(&box);
	assert_true(is_content(&box, B C) || is_content(&box, A B C));
	if (error == MD_OK)
		assert_int_equal(maildrop_count(box.md), 2);
	box_sends(&box, maildrop_count(box.md) - 1, SENT_B);
	box_remove(&box);
	return error;
}

static void
test_disk(void **state)
{
	static const int errors[] = {EIO, ENOSPC};

	(void)state;
	for (int i = 0; i < 8; i++) {
		int calls, failed = 0;

		fault.error = errors[i % 2];
		fault.first = 0;
		fault.last = -1;
		assert_int_equal(check(i < 4, 0), MD_OK);
		calls = fault.calls;
		assert_true(calls > 10);
		for (int at = 1; at <= calls; at++) {
			fault.first = at;
			fault.last = i % 4 < 2 ? at : INT_MAX;
			failed += check(i < 4, 0) != MD_OK;
		}
		assert_true(failed > 5);
	}
}

/* Where the disk is too full for the index, each copy keeps its unique-id. */
static void
test_copies(void **state)
{
	static const char *const mail[] = {B, A};

	(void)state;
	for (size_t i = 0; i < sizeof(mail) / sizeof(mail[0]); i++) {
		struct uid uids[2], now;
		struct box box;

		fault.off = true;
		box_make(&box);
		box_fill(&box, A A A);
		box_settle();
		box_open(&box);
		box_delete(&box, (const uint32_t[]){1, 0});
		box_open(&box);
		for (uint32_t n = 0; n < 2; n++)
			uids[n] = box_uid(&box, n + 1);
		box_close(&box);
		box_append(&box, mail[i]);
		box_settle();
		fault.full = true;
		for (int visits = 0; visits < 3; visits++) {
			box_open(&box);
			assert_int_equal(maildrop_count(box.md), 3);
			for (uint32_t n = 0; n < 2; n++) {
				now = box_uid(&box, n + 1);
				assert_string_equal(now.text, uids[n].text);
			}
			box_close(&box);
			fault.full = visits == 0;
		}
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_NONE);
		box_remove(&box);
	}
}

/*
 * A reader changes the maildrop while the disk is too full for the index. What is
 * told of the maildrop as it is now does not belong to the records as they were.
 */
static void
test_facts(void **state)
{
	struct uid uids[3], now;
	struct box box;

	(void)state;
	fault.off = true;
	box_make(&box);
	box_fill(&box, A B A);
	box_settle();
	box_visit(&box);
	box_fill(&box, B A A);
	box_settle();
	fault.full = true;
	box_open(&box);
	for (uint32_t n = 0; n < 3; n++)
		uids[n] = box_uid(&box, n + 1);
	maildrop_set_last(box.md, 1);
	assert_int_equal(maildrop_update(box.md, &(uint32_t){0}), MD_OK);
	box_close(&box);
	fault.full = false;
	box_open(&box);
	for (uint32_t n = 0; n < 3; n++) {
		now = box_uid(&box, n + 1);
		assert_string_equal(now.text, uids[n].text);
	}
	box_sends(&box, 1, SENT_B);
	box_remove(&box);
}

static void
test_memory(void **state)
{
	(void)state;
#ifdef POPLAR_SANITIZED
	skip();
#endif
	fault.first = 0;
	fault.last = -1;
	for (int known = 0; known < 2; known++) {
		int failed = 0;

		for (int at = 1; at < 80; at++)
			failed += check(known, at) != MD_OK;
		assert_true(failed > 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_disk),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
