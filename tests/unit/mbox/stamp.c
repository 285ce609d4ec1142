/*
 * A file that has got the inode number of the maildrop before it is not taken for
 * that one, on the file system that these tests run on.
 */
#include "letters.h"

#include "mbox/disk.h"

/* More than the last messages, which are read again where a file has grown. */
#define MANY B B B B B B B B B B B B
#define MANY_COUNT 12

/* So often a maildrop is rewritten until its inode number has come again. */
#define TIMES 200

static struct disk_stat
look(struct box *box)
{
	struct disk_stat stat;
	int fd = open(box->mbox, O_RDONLY);

	assert_int_not_equal(fd, -1);
	assert_int_equal(disk_stat(fd, &stat), 0);
	close(fd);
	return stat;
}

/* As a mail reader does that writes another file and renames it. */
static void
rewrite(struct box *box, const char *text)
{
	char other[80];

	snprintf(other, sizeof(other), "%s/other", box->dir);
	box_write(box, other, O_EXCL, text, strlen(text));
	assert_int_equal(rename(other, box->mbox), 0);
}

/* Until the maildrop has the number that it had: ext4 gives it at the second time. */
static bool
rewrite_twice(struct box *box, const char *text)
{
	const struct disk_stat before = look(box);

	for (int i = 0; i < TIMES; i++) {
		rewrite(box, text);
		if (i > 0 && look(box).inode == before.inode)
			return true;
	}
	return false;
}

static void
test_inode_number_again(void **state)
{
	struct uid a, c, last;
	struct box box;
	bool again;

	(void)state;
	box_make(&box);
	box_fill(&box, A C MANY);
	box_settle();
	box_open(&box);
	a = box_uid(&box, 1);
	c = box_uid(&box, 2);
	last = box_uid(&box, 2 + MANY_COUNT);
	box_close(&box);
	again = look(&box).birth_sec != 0 && rewrite_twice(&box, C A MANY A);
	if (!again) {
		box_remove(&box);
		skip();
	}
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	assert_int_equal(maildrop_count(box.md), 2 + MANY_COUNT + 1);
	assert_string_equal(box_uid(&box, 1).text, c.text);
	assert_string_equal(box_uid(&box, 2).text, a.text);
	assert_string_equal(box_uid(&box, 2 + MANY_COUNT).text, last.text);
	box_sends(&box, 1, SENT_C);
	box_delete(&box, (const uint32_t[]){1, 0});
	box_check(&box, A MANY A);
	box_remove(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_inode_number_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
