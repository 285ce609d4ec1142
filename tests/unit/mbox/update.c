/*
 * UPDATE: exactly the marked messages go, and what is remembered of it.
 */
#include "box.h"

#include "mbox/disk.h"

#define INTERNAL                                                                   \
	"From MAILER-DAEMON Tue Nov 17 21:28:37 2009\n"                            \
	"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 "   \
	"2\n\nx\n\n"

static const char *const parts[] = {
    F1 "Subject: 1\n\none\n\n",
    F1 "Subject: 2\r\n\r\ntwo\r\n\r\n",
    F1 "\n",
    F1 "Subject: 4\n\n>From four\n\nFrom x\n\n",
    F1 "Subject: 5\n\nfive",
};

#define PARTS 5

/* Every choice of five messages, with and without the internal message. */
static void
test_every_choice(void **state)
{
	(void)state;
	for (unsigned choice = 0; choice < 2U << PARTS; choice++) {
		const bool internal = choice >> PARTS;
		char all[1024] = "", left[1024] = "";
		uint32_t numbers[PARTS + 1], n = 0;
		struct box box;

		strcat(all, internal ? INTERNAL : "");
		strcat(left, internal ? INTERNAL : "");
		for (uint32_t i = 0; i < PARTS; i++) {
			strcat(all, parts[i]);
			if (choice >> i & 1)
				numbers[n++] = i + 1;
			else
				strcat(left, parts[i]);
		}
		numbers[n] = 0;
		box_make(&box);
		box_fill(&box, all);
		box_open(&box);
		assert_int_equal(maildrop_count(box.md), PARTS);
		box_delete(&box, numbers);
		box_check(&box, left);
		box_open(&box);
		assert_int_equal(maildrop_count(box.md), PARTS - n);
		box_remove(&box);
	}
}

/* Behind UPDATE the index is believed at once. */
static void
test_index_behind_update(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, parts[0]);
	box_append(&box, parts[1]);
	box_append(&box, parts[3]);
	box_open(&box);
	box_delete(&box, (const uint32_t[]){1, 0});
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	assert_int_equal(maildrop_count(box.md), 2);
	box_sends(&box, 1, "Subject: 2\r\n\r\ntwo\r\n");
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	box_append(&box, parts[0]);
	assert_int_equal(maildrop_update(box.md, &(uint32_t){0}), MD_OK);
	assert_int_equal(maildrop_count(box.md), 1);
	assert_int_equal(maildrop_live(box.md), 1);
	box_close(&box);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_TAIL);
	assert_int_equal(box_fresh(&box), 1);
	assert_int_equal(maildrop_count(box.md), 2);
	box_sends(&box, 2, "Subject: 1\r\n\r\none\r\n");
	box_remove(&box);
}

/* Nothing is deleted: nothing is written to the maildrop, not even a time. */
static void
test_nothing_deleted(void **state)
{
	struct box box;
	struct stat before, after;
	uint32_t removed;

	(void)state;
	box_make(&box);
	box_fill(&box, parts[0]);
	assert_int_equal(stat(box.mbox, &before), 0);
	box_open(&box);
	box_sends(&box, 1, "Subject: 1\r\n\r\none\r\n");
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	maildrop_undelete_all(box.md);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	box_close(&box);
	assert_int_equal(stat(box.mbox, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_memory_equal(&before.st_mtim, &after.st_mtim,
	    sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim,
	    sizeof(before.st_ctim));
	box_remove(&box);
}

static uint32_t
last_of(struct box *box)
{
	struct md_stats stats;

	maildrop_stats(box->md, &stats);
	return stats.last;
}

/* LAST is kept from session to session, and moves with the messages. */
static void
test_last(void **state)
{
	struct box box;
	uint32_t removed;

	(void)state;
	box_make(&box);
	for (int i = 0; i < 4; i++)
		box_append(&box, parts[i]);
	box_open(&box);
	assert_int_equal(last_of(&box), 0);
	maildrop_set_last(box.md, 3);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	box_close(&box);
	box_open(&box);
	assert_int_equal(last_of(&box), 3);
	box_delete(&box, (const uint32_t[]){1, 4, 0});
	box_append(&box, parts[0]);
	box_open(&box);
	assert_int_equal(last_of(&box), 2);
	maildrop_set_last(box.md, 0);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	maildrop_set_last(box.md, 2);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	box_close(&box);
	/* a reader takes the first one out */
	box_fill(&box, parts[2]);
	box_append(&box, parts[0]);
	box_open(&box);
	assert_int_equal(last_of(&box), 1);
	box_close(&box);
	unlink(box.index);
	box_open(&box);
	assert_int_equal(last_of(&box), 0);
	box_remove(&box);
}

/* A journal that is no journal is set aside, and the maildrop opens. */
static void
test_conflict(void **state)
{
	static const char junk[2048] = "junk";
	struct box box;
	enum md_recovery recovery;

	(void)state;
	box_make(&box);
	box_fill(&box, parts[0]);
	box_write(&box, box.journal, 0, junk, sizeof(junk));
	box_open(&box);
	assert_int_equal(box.set_asides, 1);
	box_sends(&box, 1, "Subject: 1\r\n\r\none\r\n");
	box_check(&box, parts[0]);
	box_close(&box);
	box_write(&box, box.journal, 0, junk, sizeof(junk));
	assert_int_equal(box_try(&box, O_RDONLY), MD_PENDING);
	box_close(&box);
	box.fds.mbox = open(box.mbox, O_RDWR);
	box.fds.journal = open(box.journal, O_RDWR);
	assert_int_equal(
	    maildrop_recover(&box.fds, &box.limits, &box.host, &recovery), MD_OK);
	assert_int_equal(recovery, MD_RECOVERY_CONFLICT);
	assert_int_equal(box.dotlocks, box.undotlocks);
	assert_int_equal(
	    maildrop_recover(&box.fds, &box.limits, &box.host, &recovery), MD_OK);
	assert_int_equal(recovery, MD_RECOVERY_NONE);
	box_check(&box, parts[0]);
	box_remove(&box);
}

#define LIKE_4 F1 "Subject: 4\n\n>From five\n\nFrom x\n\n"

static void
fill_and_delete(struct box *box, bool foreign)
{
	box_make(box);
	box->foreign = foreign;
	box_fill(box, parts[0]);
	box_append(box, parts[3]);
	box_open(box);
	box_delete(box, (const uint32_t[]){1, 0});
}

/*
 * A change right behind UPDATE, in the same tick of the clock mostly, is told
 * from it without a wait, by the next session and in it.
 */
static void
test_sealed(void **state)
{
	struct box box;

	(void)state;
	for (int i = 0; i < 20; i++) {
		fill_and_delete(&box, false);
		assert_int_equal(box.pauses, 0);
		box_poke(&box, 0, LIKE_4);
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		box_remove(&box);

		fill_and_delete(&box, false);
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_NONE);
		box_poke(&box, 0, LIKE_4);
		assert_int_equal(maildrop_read(box.md, 1, 0), MD_CHANGED);
		box_remove(&box);
	}
}

/* What is known of a sealed file lasts, and ends with the next change. */
static void
test_sealed_for_good(void **state)
{
	struct box box;

	(void)state;
	fill_and_delete(&box, false);
	for (uint32_t last = 1; last > 0; last--) {
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_NONE);
		maildrop_set_last(box.md, last);
		assert_int_equal(maildrop_update(box.md, &(uint32_t){0}), MD_OK);
		box_close(&box);
	}
	box_append(&box, parts[1]);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_TAIL);
	box_close(&box);
	box_poke(&box, 0, LIKE_4);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_remove(&box);
}

/* Where the host cannot, the clock is waited for. */
static void
test_not_sealed(void **state)
{
	struct box box;

	(void)state;
	fill_and_delete(&box, true);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_remove(&box);
}

/* Octets of the journal; the maildrop is not locked. */
static off_t
journal_of_free(struct box *box)
{
	struct flock lock = {.l_type = F_WRLCK};
	int fd = open(box->mbox, O_RDWR);
	struct stat st;

	assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
	assert_int_equal(lock.l_type, F_UNLCK);
	close(fd);
	assert_int_equal(fstat(box->fds.journal, &st), 0);
	return st.st_size;
}

/* A large journal is left until the maildrop is closed, a small one is not. */
static void
test_untidy(void **state)
{
	static char body[2 << 20];

	(void)state;
	for (int large = 0; large < 2; large++) {
		struct box box;

		box_make(&box);
		box.limits.lock_session = true;
		box_fill(&box, parts[0]);
		box_append(&box, parts[1]);
		memset(body, 'x', sizeof(body) - 1);
		if (large == 1)
			box_append(&box, body);
		box_open(&box);
		assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
		assert_int_equal(maildrop_update(box.md, &(uint32_t){0}), MD_OK);
		assert_int_equal(maildrop_is_untidy(box.md), large == 1);
		assert_int_equal(journal_of_free(&box) > 0, large == 1);
		assert_int_equal(box.undotlocks, 1);
		maildrop_close(box.md);
		box.md = NULL;
		assert_int_equal(journal_of_free(&box), 0);
		box_remove(&box);
	}
}

/* A session died behind UPDATE; then its maildrop cannot be written any more. */
static void
test_over(void **state)
{
	static char body[2 << 20], head[MD_JOURNAL_BODY];
	struct box box;
	int fd;

	(void)state;
	box_make(&box);
	box_fill(&box, parts[0]);
	box_append(&box, parts[3]);
	memset(body, 'x', sizeof(body) - 1);
	box_append(&box, body);
	box_open(&box);
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	assert_int_equal(maildrop_update(box.md, &(uint32_t){0}), MD_OK);
	fd = open(box.journal, O_RDONLY);
	assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	box_close(&box);
	for (int zeros = 0; zeros < 2; zeros++) {
		box_write(&box, box.journal, O_TRUNC, head, sizeof(head));
		assert_int_equal(box_try(&box, O_RDONLY), MD_OK);
		assert_int_equal(journal_of_free(&box), 0);
		assert_int_equal(box.set_asides, 0);
		assert_int_equal(maildrop_count(box.md), 1);
		box_close(&box);
		memset(head, 0, sizeof(head));
	}
	box_remove(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_choice),
	    cmocka_unit_test(test_index_behind_update),
	    cmocka_unit_test(test_nothing_deleted),
	    cmocka_unit_test(test_last),
	    cmocka_unit_test(test_conflict),
	    cmocka_unit_test(test_sealed),
	    cmocka_unit_test(test_sealed_for_good),
	    cmocka_unit_test(test_not_sealed),
	    cmocka_unit_test(test_untidy),
	    cmocka_unit_test(test_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
