/*
 * What others do to a maildrop while it is open, and between sessions:
 * faults E 61 to 65a, D 59.
 */
#include "letters.h"

#include <sys/time.h>

static enum md_error
fetch(struct box *box, uint32_t number)
{
	static char text[1 << 16];
	size_t len;

	return box_fetch(box, number, WIRE_WHOLE, 4096, text, sizeof(text), &len);
}

/* A settled maildrop that the index knows, opened. */
static void
open_known(struct box *box, const char *text)
{
	box_make(box);
	box_fill(box, text);
	box_settle();
	box_visit(box);
	box_open(box);
	assert_int_equal(box_scan(box), MD_SCAN_NONE);
}

static void
test_scan_modes(void **state)
{
	struct box box;
	struct md_stats stats;

	(void)state;
	box_make(&box);
	box_fill(&box, A B);
	box_settle();
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	assert_int_equal(box_fresh(&box), 2);
	box_close(&box);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	assert_int_equal(box_fresh(&box), 0);
	box_sends(&box, 2, SENT_B);
	box_close(&box);
	box_append(&box, C);
	box_open(&box);
	maildrop_stats(box.md, &stats);
	assert_int_equal(stats.scan, MD_SCAN_TAIL);
	assert_int_equal(stats.fresh, 1);
	box_sends(&box, 1, SENT_A);
	box_sends(&box, 3, SENT_C);
	box_close(&box);
	box_settle();
	box_visit(&box);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_remove(&box);
}

/* 61 */
static void
test_read_only(void **state)
{
	struct box box;
	uint32_t removed;

	(void)state;
	box_make(&box);
	box_fill(&box, A B);
	assert_int_equal(box_try(&box, O_RDONLY), MD_OK);
	box_sends(&box, 1, SENT_A);
	assert_int_equal(maildrop_delete(box.md, 1), MD_READ_ONLY);
	assert_int_equal(maildrop_live(box.md), 2);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	box_check(&box, A B);
	box_remove(&box);
}

/* 62 */
static void
test_replaced(void **state)
{
	struct box box;
	char other[80];

	(void)state;
	open_known(&box, A B);
	snprintf(other, sizeof(other), "%s/other", box.dir);
	box_write(&box, other, 0, B A, 2 * (size_t)LEN);
	assert_int_equal(rename(other, box.mbox), 0);
	assert_int_equal(fetch(&box, 1), MD_CHANGED);
	box_refuses(&box, 1, MD_CHANGED);
	box_check(&box, B A);
	box_remove(&box);
}

/* 62: the old file has another name, and the host sees that the path changed */
static void
test_moved(void **state)
{
	struct box box;
	char other[80];

	(void)state;
	open_known(&box, A B);
	snprintf(other, sizeof(other), "%s/other", box.dir);
	assert_int_equal(rename(box.mbox, other), 0);
	box_fill(&box, B A);
	box.answer = MD_DOTLOCK_CHANGED;
	assert_int_equal(fetch(&box, 1), MD_CHANGED);
	box_refuses(&box, 1, MD_CHANGED);
	box_check(&box, B A);
	box_remove(&box);
}

/* A second link: read, never written, and no next login. */
static void
test_linked(void **state)
{
	struct box box;
	char other[80];

	(void)state;
	open_known(&box, A B);
	snprintf(other, sizeof(other), "%s/other", box.dir);
	assert_int_equal(link(box.mbox, other), 0);
	box_sends(&box, 1, SENT_A);
	box_refuses(&box, 1, MD_CHANGED);
	box_check(&box, A B);
	box_close(&box);
	assert_int_equal(box_try(&box, O_RDWR), MD_CHANGED);
	box_remove(&box);
}

/* 63 */
static void
test_truncated(void **state)
{
	struct box box;

	(void)state;
	open_known(&box, A B C);
	assert_int_equal(truncate(box.mbox, LEN + 10), 0);
	box_sends(&box, 1, SENT_A);
	assert_int_equal(fetch(&box, 2), MD_CHANGED);
	assert_int_equal(fetch(&box, 3), MD_CHANGED);
	box_refuses(&box, 1, MD_CHANGED);
	box_remove(&box);
}

/* 63: the same size, other messages */
static void
test_rewritten(void **state)
{
	struct box box;

	(void)state;
	open_known(&box, A B C);
	box_poke(&box, 0, C);
	assert_int_equal(fetch(&box, 1), MD_CHANGED);
	box_sends(&box, 2, SENT_B);
	box_refuses(&box, 1, MD_CHANGED);
	box_check(&box, C B C);
	box_close(&box);
	/* 65a */
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_sends(&box, 1, SENT_C);
	box_remove(&box);
}

/* A message before K may change; one behind it, even one that stays, not. */
static void
test_rewritten_kept(void **state)
{
	struct box box;
	uint32_t removed;

	(void)state;
	open_known(&box, A B C);
	box_poke(&box, 2 * LEN, B);
	box_refuses(&box, 2, MD_CHANGED);
	box_check(&box, A B B);
	box_remove(&box);
	open_known(&box, A B C);
	box_poke(&box, 0, B);
	assert_int_equal(maildrop_delete(box.md, 2), MD_OK);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	box_check(&box, B C);
	box_remove(&box);
}

/* 63: while a long message is being sent */
static void
test_rewritten_under_way(void **state)
{
	const size_t size = 3 << 20;
	char *file = malloc(size), buf[4096];
	struct box box;
	enum md_error error;
	size_t n, total = 0;

	(void)state;
	assert_non_null(file);
	memset(file, 'x', size);
	memcpy(file, F1 "\n", sizeof(F1));
	box_make(&box);
	box_write(&box, box.mbox, O_TRUNC, file, size);
	box_settle();
	for (int known = 0; known < 2; known++) {
		box_open(&box);
		assert_int_equal(box_scan(&box),
		    known ? MD_SCAN_NONE : MD_SCAN_FULL);
		assert_int_equal(maildrop_read(box.md, 1, WIRE_WHOLE), MD_OK);
		assert_int_equal(maildrop_next(box.md, buf, sizeof(buf), &n),
		    MD_OK);
		box_poke(&box, (off_t)size - 5, known ? "zzz" : "yyy");
		do {
			error = maildrop_next(box.md, buf, sizeof(buf), &n);
			total = error == MD_OK ? total + n : total;
			for (size_t i = 0; i < n; i++)
				assert_int_not_equal(buf[i], 'y' + known);
		} while (error == MD_OK && n > 0);
		assert_int_equal(error, MD_CHANGED);
		assert_true(total < size);
		box_close(&box);
		box_settle();
		box_visit(&box);
	}
	box_remove(&box);
	free(file);
}

/* 64: mail that arrives is not seen and stays, whatever is deleted */
static void
test_appended(void **state)
{
	static const struct {
		uint32_t numbers[4];
		const char *left;
	} cases[] = {
	    {{1, 0},       B C A  },
	    {{2, 0},       A C A  },
	    {{3, 0},       A B A  },
	    {{1, 2, 3, 0}, A      },
	    {{1, 3, 0},    B A    },
	    {{0},          A B C A},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct box box;

		open_known(&box, A B C);
		box_append(&box, A);
		assert_int_equal(maildrop_count(box.md), 3);
		box_sends(&box, 3, SENT_C);
		box_delete(&box, cases[i].numbers);
		box_check(&box, cases[i].left);
		box_open(&box);
		box_sends(&box, maildrop_count(box.md), SENT_A);
		box_remove(&box);
	}
}

/*
 * Mail that arrives while a long message is sent, at every block of it, does
 * not end the session; a change of the message itself does.
 */
static void
send_in_a_storm(size_t size, off_t changed)
{
	char *file = malloc(size), buf[4096];
	struct box box;
	size_t n, total = 0;
	enum md_error error;

	assert_non_null(file);
	memset(file, 'x', size);
	memcpy(file, F1 "\n", sizeof(F1));
	memcpy(file + size - 2, "\n\n", 2);
	box_make(&box);
	box_write(&box, box.mbox, O_TRUNC, file, size);
	box_settle();
	box_visit(&box);
	box_open(&box);
	assert_int_equal(maildrop_read(box.md, 1, WIRE_WHOLE), MD_OK);
	do {
		if (total % (256 << 10) < sizeof(buf))
			box_append(&box, A);
		if (changed != 0 && total > size - (300 << 10))
			box_poke(&box, changed, "yyy");
		error = maildrop_next(box.md, buf, sizeof(buf), &n);
		total += n;
	} while (error == MD_OK && n > 0);
	assert_int_equal(error, changed == 0 ? MD_OK : MD_CHANGED);
	if (changed == 0)
		assert_int_equal(total, maildrop_size(box.md, 1));
	box_remove(&box);
	free(file);
}

static void
test_appended_under_way(void **state)
{
	(void)state;
	send_in_a_storm(1 << 20, 0);
	send_in_a_storm(6 << 20, 0);
	send_in_a_storm(1 << 20, (1 << 20) - 9);
	send_in_a_storm(6 << 20, (6 << 20) - 9);
}

/* What follows the last message cannot stand alone: nothing is deleted. */
static void
test_appended_to_message(void **state)
{
	struct box box;
	uint32_t removed;

	(void)state;
	open_known(&box, A B);
	box_append(&box, "more text\n");
	box_refuses(&box, 2, MD_CHANGED);
	box_check(&box, A B "more text\n");
	maildrop_undelete_all(box.md);
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	box_check(&box, B "more text\n");
	box_remove(&box);
}

/* 65: the same size and the old mtime set back; the ctime tells */
static void
test_mtime_set_back(void **state)
{
	struct box box;
	struct stat st;
	struct timespec times[2];

	(void)state;
	open_known(&box, A B);
	box_close(&box);
	assert_int_equal(stat(box.mbox, &st), 0);
	box_poke(&box, 0, C);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, box.mbox, times, 0), 0);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_sends(&box, 1, SENT_C);
	box_remove(&box);
}

/* 65: changes as fast as can be, with sessions in between */
static void
test_same_tick(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, A B);
	for (int i = 0; i < 300; i++) {
		box_open(&box);
		box_sends(&box, 1, i % 2 == 0 ? SENT_A : SENT_C);
		box_close(&box);
		box_poke(&box, 0, i % 2 == 0 ? C : A);
	}
	box_remove(&box);
}

/* Grown and changed before its old end: the tail rule must not be fooled. */
static void
test_grown_and_changed(void **state)
{
	struct box box;

	(void)state;
	open_known(&box, A B);
	box_close(&box);
	box_fill(&box, B A C);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_sends(&box, 1, SENT_B);
	box_sends(&box, 3, SENT_C);
	box_remove(&box);
}

/* Nothing is known but the internal message, of which the index has only the end. */
static void
test_grown_behind_internal(void **state)
{
	static const char internal[] =
	    "From MAILER-DAEMON Tue Nov 17 21:28:37 2009\n"
	    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
	    "X-IMAP: 1 2\n\nx\n";
	char other[sizeof(internal) + sizeof(B)];
	struct box box;

	(void)state;
	/* without an empty line before it a From_ line is text */
	open_known(&box, internal);
	box_close(&box);
	box_append(&box, A);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 0);
	box_remove(&box);
	/* a message of the same length has come into its place */
	snprintf(other, sizeof(other), F1 "%0*d\n\n" B,
	    (int)(sizeof(internal) - sizeof(F1 "\n\n")), 0);
	open_known(&box, internal);
	box_close(&box);
	box_fill(&box, other);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 2);
	box_sends(&box, 2, SENT_B);
	box_remove(&box);
}

/* Far before the end, where the tail rule does not look. */
static void
test_changed_before_tail(void **state)
{
	struct box box;
	char *file = malloc(100 * sizeof(A)), text[5000];
	size_t len;

	(void)state;
	assert_non_null(file);
	file[0] = '\0';
	for (int i = 0; i < 50; i++)
		memcpy(file + i * LEN, B, sizeof(B));
	for (int session = 0; session < 2; session++) {
		open_known(&box, file);
		box_close(&box);
		box_poke(&box, 0, C);
		box_append(&box, A);
		box_settle();
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_TAIL);
		if (session == 1) {
			/* the settled match of a later session does not cover it */
			box_close(&box);
			box_open(&box);
			assert_int_equal(box_scan(&box), MD_SCAN_NONE);
		}
		box_refuses(&box, 1, MD_CHANGED);
		maildrop_undelete_all(box.md);
		assert_int_equal(box_fetch(&box, 1, WIRE_WHOLE, 4096, text,
		                     sizeof(text), &len),
		    MD_CHANGED);
		box_close(&box);
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		box_sends(&box, 1, SENT_C);
		box_remove(&box);
	}
	free(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scan_modes),
	    cmocka_unit_test(test_read_only),
	    cmocka_unit_test(test_replaced),
	    cmocka_unit_test(test_moved),
	    cmocka_unit_test(test_linked),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_rewritten),
	    cmocka_unit_test(test_rewritten_kept),
	    cmocka_unit_test(test_rewritten_under_way),
	    cmocka_unit_test(test_appended),
	    cmocka_unit_test(test_appended_under_way),
	    cmocka_unit_test(test_appended_to_message),
	    cmocka_unit_test(test_mtime_set_back),
	    cmocka_unit_test(test_same_tick),
	    cmocka_unit_test(test_grown_and_changed),
	    cmocka_unit_test(test_grown_behind_internal),
	    cmocka_unit_test(test_changed_before_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
