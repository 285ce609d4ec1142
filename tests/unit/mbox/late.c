/*
 * Behind many messages new mail is added to the index without reading what is known
 * of them; that, and what copies are to be called, comes when a message is asked for.
 * Whenever it comes, the answers are the same.
 */
#include "box.h"

#include "mbox/state.h"

/* The parts of the index have 2048 messages: the last one has begun. */
#define KNOWN 2070
#define ROUNDS 24

#define LENGTH (strlen(F1) + strlen("Subject: 000000\n\nx\n\n"))

/* Subjects that differ, and one of them once more is a copy. */
static void
deliver(struct box *box, unsigned subject)
{
	char text[100];

	snprintf(text, sizeof(text), F1 "Subject: %06u\n\nx\n\n", subject);
	assert_int_equal(strlen(text), LENGTH);
	box_append(box, text);
}

/* A maildrop of so many messages, none like another, and its index. */
static void
make(struct box *box)
{
	box_make(box);
	for (unsigned i = 0; i < KNOWN; i++)
		deliver(box, i);
	box_settle();
	box_visit(box);
}

/* A login that asks for no message. */
static void
pass(struct box *box, enum md_scan scan)
{
	assert_int_equal(box_enter(box, O_RDWR), MD_OK);
	assert_int_equal(box_scan(box), scan);
	box_close(box);
}

static void
assert_same_uids(struct box *one, struct box *other)
{
	const uint32_t count = maildrop_count(one->md);

	assert_int_equal(maildrop_count(other->md), count);
	for (uint32_t i = 1; i <= count; i++) {
		const struct uid a = box_uid(one, i), b = box_uid(other, i);

		assert_string_equal(a.text, b.text);
	}
}

/* Mail of which every second is a copy of something, now and then a change. */
static void
happen(struct box *early, struct box *late, unsigned round)
{
	for (unsigned i = 0; i < 3; i++) {
		const unsigned n = 31 * round + 7 * i;
		const unsigned subject = (round + i) % 2 == 0 ? n : 100000 + n % 50;

		deliver(early, subject);
		deliver(late, subject);
	}
	if (round % 7 == 5) {
		box_poke(early, (off_t)strlen(F1), "SUBJECT");
		box_poke(late, (off_t)strlen(F1), "SUBJECT");
	}
	box_settle();
}

/* One that looks at its messages each time, and one that seldom does. */
static void
test_when_numbered(void **state)
{
	struct box early, late;

	(void)state;
	make(&early);
	make(&late);
	for (unsigned round = 0; round < ROUNDS; round++) {
		happen(&early, &late, round);
		box_open(&early);
		assert_int_equal(box_enter(&late, O_RDWR), MD_OK);
		assert_int_equal(box_scan(&late), box_scan(&early));
		assert_int_equal(box_fresh(&late), box_fresh(&early));
		if (round % 4 == 3) {
			assert_int_equal(maildrop_load(late.md), MD_OK);
			assert_same_uids(&early, &late);
			box_delete(&early, (const uint32_t[]){round, KNOWN + 1, 0});
			box_delete(&late, (const uint32_t[]){round, KNOWN + 1, 0});
		} else {
			box_close(&early);
			box_close(&late);
		}
	}
	box_remove(&early);
	box_remove(&late);
}

/* Changes an octet of a record so soon that the index seems untouched. */
static void
damage(struct box *box, unsigned record)
{
	int fd = open(box->index, O_RDWR);
	off_t at = lseek(fd, 0, SEEK_END) - (off_t)(KNOWN + 1 - record) * 64 + 20;
	char octet;

	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= 1;
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	close(fd);
}

static void
assert_suffix(struct box *box, uint32_t number, const char *suffix)
{
	const struct uid uid = box_uid(box, number);

	assert_string_equal(uid.text + 64, suffix);
}

/* The index is touched, and the maildrop is rewritten, before copies have names. */
static void
test_others(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	for (unsigned i = 0; i < 2; i++) {
		deliver(&box, 5);
		box_settle();
		pass(&box, MD_SCAN_TAIL);
		box_settle();
		assert_int_equal(chmod(box.index, 0640), 0);
	}
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	assert_suffix(&box, KNOWN + 1, ".1");
	assert_suffix(&box, KNOWN + 2, ".2");
	box_delete(&box, (const uint32_t[]){KNOWN + 1, 0});
	deliver(&box, 5);
	box_settle();
	pass(&box, MD_SCAN_TAIL);
	box_poke(&box, (off_t)(strlen(F1) + (KNOWN - 1) * LENGTH), "SUBJECT");
	deliver(&box, 100000);
	box_settle();
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	assert_suffix(&box, KNOWN + 1, ".2");
	assert_suffix(&box, KNOWN + 2, ".3");
	box_remove(&box);
}

/*
 * A session dies before it removes the first of many copies, and mail comes: none is
 * about to go any more. When a reader takes some out, the first ids are as good.
 */
static void
test_called_off(void **state)
{
	static const uint32_t first = KNOWN - 20;
	struct box box;
	uint32_t removed;

	(void)state;
	box_make(&box);
	for (unsigned i = 0; i < KNOWN; i++)
		deliver(&box, i < first ? 5 : i);
	box_open(&box);
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	close(box.fds.journal);
	box.fds.journal = -1;
	assert_int_not_equal(maildrop_update(box.md, &removed), MD_OK);
	box_close(&box);
	deliver(&box, 100000);
	pass(&box, MD_SCAN_FULL);
	assert_int_equal(truncate(box.mbox, 0), 0);
	deliver(&box, 5);
	deliver(&box, 5);
	box_open(&box);
	assert_suffix(&box, 1, "");
	assert_suffix(&box, 2, ".1");
	box_remove(&box);
}

/* The octets that a login has seen need not be looked at once more. */
static void
test_seen(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	deliver(&box, 100000);
	assert_int_equal(box_enter(&box, O_RDWR), MD_OK);
	assert_int_equal(box_scan(&box), MD_SCAN_TAIL);
	assert_true(box.md->table.first > 0);
	assert_int_equal(maildrop_load(box.md), MD_OK);
	assert_int_equal(box.md->table.first, 0);
	assert_int_equal(box.md->table.messages[0].flags & MESSAGE_HASHED, 0);
	assert_int_not_equal(box.md->table.messages[KNOWN].flags & MESSAGE_HASHED,
	    0);
	box_remove(&box);
}

/*
 * What a login does not read, or reads and cannot check, was damaged before it: that
 * is found when a message is asked for.
 */
static void
test_damaged(void **state)
{
	static const unsigned records[] = {0, 1500, 2047, 2048, 2055, KNOWN - 7,
	    KNOWN};
	struct box box;

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
		struct uid before, after;

		make(&box);
		box_open(&box);
		before = box_uid(&box, records[i] % KNOWN + 1);
		box_close(&box);
		deliver(&box, 100000);
		pass(&box, MD_SCAN_TAIL);
		damage(&box, records[i]);
		deliver(&box, 5);
		assert_int_equal(box_enter(&box, O_RDWR), MD_OK);
		assert_int_equal(maildrop_count(box.md), KNOWN + 2);
		assert_int_equal(maildrop_load(box.md), MD_OK);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		after = box_uid(&box, records[i] % KNOWN + 1);
		assert_string_equal(after.text, before.text);
		box_sends(&box, KNOWN, "Subject: 002069\r\n\r\nx\r\n");
		box_sends(&box, KNOWN + 2, "Subject: 000005\r\n\r\nx\r\n");
		box_remove(&box);
	}
}

/* What came last ends a session that marks nothing and one that deletes it. */
static void
test_ends(void **state)
{
	uint32_t removed;
	struct box box;

	(void)state;
	make(&box);
	deliver(&box, 100000);
	assert_int_equal(box_enter(&box, O_RDWR), MD_OK);
	maildrop_undelete_all(box.md);
	assert_int_equal(maildrop_live(box.md), KNOWN + 1);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	assert_int_equal(removed, 0);
	box_close(&box);
	deliver(&box, 100001);
	box_open(&box);
	box_sends(&box, KNOWN + 1, "Subject: 100000\r\n\r\nx\r\n");
	box_delete(&box, (const uint32_t[]){1, KNOWN + 1, 0});
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), KNOWN);
	box_sends(&box, 1, "Subject: 000001\r\n\r\nx\r\n");
	box_sends(&box, KNOWN, "Subject: 100001\r\n\r\nx\r\n");
	box_remove(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_when_numbered),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_called_off),
	    cmocka_unit_test(test_seen),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
