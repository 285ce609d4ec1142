/*
 * The index is a cache: whatever lies there, the answers are the same. And
 * the rules by which it is believed.
 */
#include "box.h"

#include "mbox/index.h"

#define F1 "From a@b Tue Nov 17 21:28:37 2009\n"
#define A F1 "Subject: a\n\none\n\n"
#define B F1 "Subject: b\n\ntwo\n\n"
#define SIZE (128 + 3 * 64)

/* The maildrop is seen as it is; its unique-ids are three. */
static void
check_box(struct box *box)
{
	box_open(box);
	assert_int_equal(maildrop_count(box->md), 3);
	box_sends(box, 1, "Subject: a\r\n\r\none\r\n");
	box_sends(box, 2, "Subject: b\r\n\r\ntwo\r\n");
	box_sends(box, 3, "Subject: a\r\n\r\none\r\n");
	for (uint32_t i = 1; i <= 3; i++) {
		for (uint32_t j = i + 1; j <= 3; j++) {
			struct uid first = box_uid(box, i),
			           second = box_uid(box, j);

			assert_string_not_equal(first.text, second.text);
		}
	}
	box_close(box);
}

static void
make(struct box *box, char index[SIZE])
{
	int fd;

	box_make(box);
	box_fill(box, A B A);
	box_settle();
	box_visit(box);
	fd = open(box->index, O_RDONLY);
	assert_int_equal(read(fd, index, SIZE), SIZE);
	assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
	close(fd);
}

static void
test_every_bit(void **state)
{
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	for (size_t i = 0; i < SIZE; i++) {
		index[i] ^= (char)(1 << i % 8);
		box_write(&box, box.index, O_TRUNC, index, SIZE);
		index[i] ^= (char)(1 << i % 8);
		check_box(&box);
	}
	box_remove(&box);
}

static void
test_every_length(void **state)
{
	char index[SIZE + 64] = {0};
	struct box box;

	(void)state;
	make(&box, index);
	for (size_t n = 0; n <= sizeof(index); n++) {
		box_write(&box, box.index, O_TRUNC, index, n);
		check_box(&box);
		assert_int_equal(truncate(box.index, (off_t)n), 0);
	}
	box_remove(&box);
}

/* Old records under a new header, and the other way round: a torn write. */
static void
test_torn(void **state)
{
	char old[SIZE], new[SIZE], mixed[SIZE];
	struct box box;
	int fd;

	(void)state;
	make(&box, old);
	box_fill(&box, B A A);
	box_visit(&box);
	fd = open(box.index, O_RDONLY);
	assert_int_equal(read(fd, new, SIZE), SIZE);
	close(fd);
	box_fill(&box, A B A);
	for (size_t n = 0; n <= SIZE; n += 8) {
		memcpy(mixed, old, n);
		memcpy(mixed + n, new + n, SIZE - n);
		box_write(&box, box.index, O_TRUNC, mixed, SIZE);
		check_box(&box);
		memcpy(mixed, new, n);
		memcpy(mixed + n, old + n, SIZE - n);
		box_write(&box, box.index, O_TRUNC, mixed, SIZE);
		check_box(&box);
	}
	box_remove(&box);
}

/* An index that cannot be written, or is none at all. */
static void
test_not_writable(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, A B A);
	for (int i = 0; i < 2; i++) {
		box.fds.mbox = open(box.mbox, O_RDWR);
		box.fds.index = i == 0 ? open("/dev/null", O_RDONLY) : -1;
		box.fds.journal = open(box.journal, O_RDWR | O_CREAT, 0600);
		assert_int_equal(maildrop_open(&box.fds, &box.limits, &box.host,
		                     &box.md),
		    MD_OK);
		assert_int_equal(maildrop_count(box.md), 3);
		box_delete(&box, (const uint32_t[]){0});
	}
	box_remove(&box);
}

static void
test_rules(void **state)
{
	const struct disk_stat at = {
	    .device = 1,
	    .inode = 2,
	    .links = 1,
	    .size = 100,
	    .ctime_sec = 1000,
	    .ctime_nsec = 999999999,
	    .mtime_sec = 900,
	};
	const int64_t settled = 1000 * 1000000000LL + 999999999 + 20000000;
	struct index_facts facts = {.stat = at, .taken = settled, .trusted = true};
	struct disk_stat now = at;

	(void)state;
	assert_int_equal(index_compare(&facts, &now), INDEX_EXACT);
	facts.taken--;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	assert_int_equal(index_unsettled(&at, facts.taken), 1);
	now.size++;
	assert_int_equal(index_compare(&facts, &now), INDEX_PREFIX);
	facts.taken++;
	assert_int_equal(index_compare(&facts, &now), INDEX_PREFIX);
	now.inode++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.size--;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.device++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.mtime_nsec++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.ctime_nsec--;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	facts.trusted = false;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now.ctime_sec = INT64_MAX;
	assert_int_equal(index_unsettled(&now, 0), INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_bit),
	    cmocka_unit_test(test_every_length),
	    cmocka_unit_test(test_torn),
	    cmocka_unit_test(test_not_writable),
	    cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
