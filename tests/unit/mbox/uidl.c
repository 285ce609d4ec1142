/*
 * Unique-ids over everything that may happen to a maildrop: faults D 58, 59.
 */
#include "box.h"

#include "mbox/uidl.h"

#define A F1 "Subject: a\n\nsame\n\n"
#define A_READ F1 "Subject: a\nStatus: RO\nX-UID: 7\n\nsame\n\n"
#define LIKE_A F1 "Subject: A\n\ntext\n\n"
#define B F1 "Subject: b\n\nother\n\n"
#define C F1 "Subject: c\n\nthird\n\n"

static void
assert_uid(struct box *box, uint32_t number, const struct uid *want)
{
	struct uid uid = box_uid(box, number);

	assert_string_equal(uid.text, want->text);
}

static void
read_uids(struct box *box, struct uid *uids)
{
	for (uint32_t n = 1; n <= maildrop_count(box->md); n++)
		uids[n] = box_uid(box, n);
}

static void
assert_distinct(const struct uid *uids, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++) {
		for (uint32_t j = i + 1; j <= last; j++)
			assert_string_not_equal(uids[i].text, uids[j].text);
	}
}

static void
test_form(void **state)
{
	struct message message = {.copy = 0};
	char uid[MD_UID_MAX + 1];

	(void)state;
	memset(message.header, 0xab, sizeof(message.header));
	memset(message.body, 0x01, sizeof(message.body));
	uidl_format(&message, uid);
	assert_string_equal(uid, "abababababababababababababababab"
	                         "01010101010101010101010101010101");
	message.copy = 1;
	uidl_format(&message, uid);
	assert_string_equal(uid + 64, ".1");
	message.copy = 36 * 36 * 36 * 36 * 36 - 1;
	uidl_format(&message, uid);
	assert_string_equal(uid + 64, ".zzzzz");
	assert_int_equal(strlen(uid), MD_UID_MAX);
}

/* 58: whichever copy goes, the others keep theirs */
static void
test_copies(void **state)
{
	struct uid uids[8] = {0};

	(void)state;
	for (uint32_t gone = 1; gone <= 4; gone++) {
		struct box box;

		box_make(&box);
		box_fill(&box, A A B A);
		box_open(&box);
		read_uids(&box, uids);
		assert_distinct(uids, 1, 4);
		box_delete(&box, (const uint32_t[]){gone, 0});
		for (int round = 0; round < 2; round++) {
			box_open(&box);
			for (uint32_t n = 1; n <= 3; n++)
				assert_uid(&box, n, &uids[n < gone ? n : n + 1]);
			box_close(&box);
		}
		box_remove(&box);
	}
}

/* A number is never given twice, even if no copy is left. */
static void
test_numbers_not_reused(void **state)
{
	struct box box;
	struct uid seen[16], uid;
	uint32_t count = 2;

	(void)state;
	box_make(&box);
	box_fill(&box, A A);
	box_open(&box);
	read_uids(&box, seen);
	box_delete(&box, (const uint32_t[]){2, 0});
	for (int round = 0; round < 4; round++) {
		box_append(&box, A);
		box_open(&box);
		assert_int_equal(maildrop_count(box.md), 2);
		assert_uid(&box, 1, &seen[1]);
		uid = box_uid(&box, 2);
		seen[++count] = uid;
		assert_distinct(seen, 1, count);
		box_delete(&box, (const uint32_t[]){2, 0});
	}
	box_open(&box);
	box_delete(&box, (const uint32_t[]){1, 0});
	box_append(&box, A);
	box_append(&box, A);
	box_open(&box);
	seen[count + 1] = box_uid(&box, 1);
	seen[count + 2] = box_uid(&box, 2);
	assert_distinct(seen, 1, count + 2);
	box_remove(&box);
}

/* Nor if it was a reader that left none. */
static void
test_numbers_not_reused_behind_a_reader(void **state)
{
	struct box box;
	struct uid seen[8];

	(void)state;
	box_make(&box);
	box_fill(&box, A A B C C);
	box_open(&box);
	read_uids(&box, seen);
	box_delete(&box, (const uint32_t[]){4, 5, 0});
	box_fill(&box, B);
	box_open(&box);
	assert_uid(&box, 1, &seen[3]);
	box_close(&box);
	box_append(&box, A C);
	box_open(&box);
	seen[6] = box_uid(&box, 2);
	seen[7] = box_uid(&box, 3);
	assert_distinct(seen, 1, 7);
	box_remove(&box);
}

/* 59: restarts, deliveries, deletions, readers, the loss of the index */
static void
test_stable(void **state)
{
	struct box box;
	struct uid uids[8] = {0};

	(void)state;
	box_make(&box);
	box_fill(&box, A B A);
	box_open(&box);
	read_uids(&box, uids);
	box_close(&box);
	box_append(&box, C);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 4);
	for (uint32_t n = 1; n <= 3; n++)
		assert_uid(&box, n, &uids[n]);
	uids[4] = box_uid(&box, 4);
	assert_distinct(uids, 1, 4);
	box_close(&box);
	unlink(box.index);
	box_open(&box);
	for (uint32_t n = 1; n <= 4; n++)
		assert_uid(&box, n, &uids[n]);
	box_close(&box);
	box_fill(&box, A_READ B A_READ C);
	box_open(&box);
	assert_int_equal(box_fresh(&box), 0);
	for (uint32_t n = 1; n <= 4; n++)
		assert_uid(&box, n, &uids[n]);
	box_remove(&box);
}

/* A reader takes one out: the copies take the ids that there were, in order. */
static void
test_reader_deletes(void **state)
{
	struct box box;
	struct uid uids[8] = {0};

	(void)state;
	box_make(&box);
	box_fill(&box, A B A C);
	box_open(&box);
	read_uids(&box, uids);
	box_close(&box);
	box_fill(&box, A A C);
	box_open(&box);
	assert_uid(&box, 1, &uids[1]);
	assert_uid(&box, 2, &uids[3]);
	assert_uid(&box, 3, &uids[4]);
	box_remove(&box);
}

/* The end of a message without a line end comes with the next delivery. */
static void
test_late_line_end(void **state)
{
	struct box box;
	struct uid uid;

	(void)state;
	box_make(&box);
	box_fill(&box, F1 "Subject: a\n\nsame");
	box_open(&box);
	uid = box_uid(&box, 1);
	box_close(&box);
	box_append(&box, "\n\n" B);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 2);
	assert_uid(&box, 1, &uid);
	assert_int_equal(maildrop_size(box.md, 1), 20);
	box_remove(&box);
}

/* A session that deletes the first messages and, without a journal, dies there. */
static void
die_deleting(struct box *box, uint32_t count)
{
	uint32_t removed;

	for (uint32_t n = 1; n <= count; n++)
		assert_int_equal(maildrop_delete(box->md, n), MD_OK);
	close(box->fds.journal);
	box->fds.journal = -1;
	assert_int_not_equal(maildrop_update(box->md, &removed), MD_OK);
	box_close(box);
}

/*
 * The session dies behind the cut and before the index: the copy that was to
 * go is the one that is missing. Some of the copies may have come later than
 * the index.
 */
static void
test_death_behind_the_cut(void **state)
{
	static const char *const later[] = {"", A, A A};

	(void)state;
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		struct box box;
		struct uid uids[4];

		box_make(&box);
		box_fill(&box, &(A A A)[strlen(later[i])]);
		box_visit(&box);
		box_append(&box, later[i]);
		box_open(&box);
		read_uids(&box, uids);
		die_deleting(&box, 1);
		box_check(&box, A A A);
		box_fill(&box, A A);
		box_open(&box);
		assert_uid(&box, 1, &uids[2]);
		assert_uid(&box, 2, &uids[3]);
		box_remove(&box);
	}
}

/*
 * It dies behind the cut, of a message among many copies of another, and more of
 * those come: the last ones that are known stand where they stood.
 */
static void
test_death_among_copies(void **state)
{
	struct uid uids[10];
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, LIKE_A A A A A A A A A A);
	box_open(&box);
	for (uint32_t i = 0; i < 10; i++)
		uids[i] = box_uid(&box, i + 1);
	die_deleting(&box, 1);
	box_fill(&box, A A A A A A A A A);
	box_append(&box, A A);
	box_open(&box);
	for (uint32_t i = 1; i < 10; i++)
		assert_uid(&box, i, &uids[i]);
	box_remove(&box);
}

/* The same, and a copy comes: it is not taken for one of those that went. */
static void
test_death_before_a_copy(void **state)
{
	struct uid uids[5];
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, A A A);
	box_open(&box);
	read_uids(&box, uids);
	die_deleting(&box, 2);
	box_fill(&box, A A);
	box_open(&box);
	assert_uid(&box, 1, &uids[3]);
	uids[4] = box_uid(&box, 2);
	assert_distinct(uids, 1, 4);
	box_remove(&box);
}

/* It dies before the cut, and mail comes: nothing is about to go any more. */
static void
test_death_before_the_cut(void **state)
{
	struct box box;
	struct uid uids[8];

	(void)state;
	box_make(&box);
	box_fill(&box, A A A);
	box_open(&box);
	die_deleting(&box, 1);
	box_append(&box, B);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	read_uids(&box, uids);
	box_close(&box);
	box_fill(&box, A A B);
	box_open(&box);
	assert_uid(&box, 1, &uids[1]);
	assert_uid(&box, 2, &uids[2]);
	assert_uid(&box, 3, &uids[4]);
	box_remove(&box);
}

/* Many copies, many deletions: no number twice, none renamed. */
static void
test_random(void **state)
{
	static const char *const kinds[] = {A, B, C};
	struct uid *seen = calloc(3000, sizeof(*seen)), uids[64] = {0};
	uint32_t known = 0, count = 0;
	struct box box;

	(void)state;
	assert_non_null(seen);
	box_make(&box);
	srand(5);
	for (int round = 0; round < 60; round++) {
		uint32_t numbers[64], n = 0, kept = 0;

		for (int i = rand() % 5 + (count == 0); i > 0 && count + n < 60;
		     i--, n++)
			box_append(&box, kinds[rand() % 3]);
		box_open(&box);
		assert_int_equal(maildrop_count(box.md), count + n);
		for (uint32_t i = 1; i <= count; i++)
			assert_uid(&box, i, &uids[i]);
		for (uint32_t i = count + 1; i <= count + n; i++) {
			uids[i] = box_uid(&box, i);
			for (uint32_t j = 0; j < known; j++) {
				/* the plain id of a kind may come back */
				if (strlen(uids[i].text) > 64)
					assert_string_not_equal(seen[j].text,
					    uids[i].text);
			}
			seen[known++] = uids[i];
		}
		count += n;
		assert_distinct(uids, 1, count);
		n = 0;
		for (uint32_t i = 1; i <= count; i++) {
			if (rand() % 4 == 0)
				numbers[n++] = i;
			else
				uids[++kept] = uids[i];
		}
		numbers[n] = 0;
		box_delete(&box, numbers);
		count = kept;
	}
	box_remove(&box);
	free(seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_numbers_not_reused),
	    cmocka_unit_test(test_numbers_not_reused_behind_a_reader),
	    cmocka_unit_test(test_stable),
	    cmocka_unit_test(test_reader_deletes),
	    cmocka_unit_test(test_late_line_end),
	    cmocka_unit_test(test_death_behind_the_cut),
	    cmocka_unit_test(test_death_among_copies),
	    cmocka_unit_test(test_death_before_a_copy),
	    cmocka_unit_test(test_death_before_the_cut),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
