/*
 * Changes that a coarse clock stamps alike are noticed all the same, in a
 * session and between sessions: faults E 65.
 */
#include "letters.h"
#include "fake_disk.h"

#define HEADER 168 /* octets of the index before its records */

#define NOON 43200000000000LL
#define MS 1000000LL

/* Every change from now on bears the same time. */
static void
stop_clock(struct box *box)
{
	box_make(box);
	box->hasty = true;
	fault.off = true;
	fault.stamp = NOON + MS;
	fault.back = 0;
	fault.clock = NOON;
}

static void
move_clock(struct box *box)
{
	(void)box;
	fault.clock += 25 * MS;
}

static enum md_error
fetch(struct box *box, uint32_t number, uint64_t lines)
{
	static char text[1 << 14];
	size_t len;

	return box_fetch(box, number, lines, 4096, text, sizeof(text), &len);
}

static void
test_in_session(void **state)
{
	(void)state;
	for (uint64_t lines = 0; lines < 2; lines++) {
		struct box box;

		stop_clock(&box);
		box_fill(&box, A B);
		box_open(&box);
		box_sends(&box, 1, SENT_A);
		box_poke(&box, 0, C);
		fault.clock += lines == 0 ? 1 * MS : 100 * MS;
		assert_int_equal(fetch(&box, 1, lines == 0 ? 0 : WIRE_WHOLE),
		    MD_CHANGED);
		box_sends(&box, 2, SENT_B);
		box_refuses(&box, 1, MD_CHANGED);
		box_check(&box, C B);
		box_remove(&box);
	}
}

static void
test_between_sessions(void **state)
{
	struct box box;

	(void)state;
	stop_clock(&box);
	box_fill(&box, A B);
	fault.clock += 19 * MS;
	box_visit(&box);
	box_poke(&box, 0, C);
	fault.clock += 100 * MS;
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_sends(&box, 1, SENT_C);
	box_close(&box);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_remove(&box);
}

/* Some file systems stamp whole seconds. */
static void
test_whole_seconds(void **state)
{
	struct box box;

	(void)state;
	stop_clock(&box);
	fault.stamp = NOON;
	box_fill(&box, A B);
	fault.clock += 300 * MS;
	box_open(&box);
	box_sends(&box, 1, SENT_A);
	box_poke(&box, 0, C);
	fault.clock += 600 * MS;
	assert_int_equal(fetch(&box, 1, 0), MD_CHANGED);
	box_close(&box);
	box_open(&box);
	box_sends(&box, 1, SENT_C);
	box_close(&box);
	box_poke(&box, 0, B);
	fault.clock += 200 * MS;
	box_open(&box);
	box_sends(&box, 1, SENT_B);
	box_close(&box);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_remove(&box);
}

/* UPDATE is over when its own change can be told from any later one. */
static void
test_behind_update(void **state)
{
	struct box box;

	(void)state;
	stop_clock(&box);
	box.when_pausing = move_clock;
	box_fill(&box, B A B);
	box_open(&box);
	box_delete(&box, (const uint32_t[]){1, 0});
	assert_int_equal(box.pauses, 1);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	/* nothing is left to be recorded, nothing to wait for */
	box_delete(&box, (const uint32_t[]){1, 2, 0});
	assert_int_equal(box.pauses, 1);
	box_remove(&box);
}

static bool
backdate(void *ctx)
{
	(void)ctx;
	fault.back = 1;
	return true;
}

/* A maildrop whose first message was just deleted, and the record sealed. */
static void
make_sealed(struct box *box, const char *mail)
{
	stop_clock(box);
	box->host.backdate = backdate;
	box_fill(box, mail);
	box_open(box);
	box_delete(box, (const uint32_t[]){1, 0});
}

/* What is set back needs no wait; nor can a change of the same time hide. */
static void
test_sealed(void **state)
{
	struct box box;

	(void)state;
	make_sealed(&box, B A B);
	assert_int_equal(box.pauses, 0);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_sends(&box, 1, SENT_A);
	box_close(&box);
	box_poke(&box, 0, C);
	fault.back = 0;
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_sends(&box, 1, SENT_C);
	box_remove(&box);
}

/* What was sealed was that state: not what came later in the same tick. */
static void
test_sealed_no_more(void **state)
{
	struct box box;

	(void)state;
	make_sealed(&box, B A B);
	fault.back = 0;
	box_append(&box, B);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_TAIL);
	box_close(&box);
	box_poke(&box, 0, C);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_FULL);
	box_sends(&box, 1, SENT_C);
	box_remove(&box);
}

/* The same in a session that began with it. */
static void
test_sealed_no_more_in_session(void **state)
{
	struct box box;

	(void)state;
	make_sealed(&box, B A B);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	fault.back = 0;
	box_append(&box, B);
	box_sends(&box, 1, SENT_A);
	box_poke(&box, 0, C);
	assert_int_equal(fetch(&box, 1, WIRE_WHOLE), MD_CHANGED);
	box_remove(&box);
}

/* Mail that comes without a lock, just before the mtime is set back. */
static bool
deliver_and_backdate(void *ctx)
{
	box_append(ctx, C);
	return backdate(ctx);
}

static void
test_not_sealed(void **state)
{
	struct box box;

	(void)state;
	stop_clock(&box);
	box.host.backdate = deliver_and_backdate;
	box.when_pausing = move_clock;
	box_fill(&box, B A B);
	box_open(&box);
	box_delete(&box, (const uint32_t[]){1, 0});
	assert_int_equal(box.pauses, 1);
	box_check(&box, A B C);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_TAIL);
	box_sends(&box, 3, SENT_C);
	box_remove(&box);
}

/*
 * A program that sets back the mtime it found, to the nanosecond and within the
 * tick of our change, cannot be seen. What it wrote is not sent for what was
 * listed, nor deleted for it.
 */
static void
test_sealed_and_forged(void **state)
{
	(void)state;
	for (int fetched = 0; fetched < 2; fetched++) {
		struct box box;

		make_sealed(&box, B A B);
		box_poke(&box, 0, C);
		fault.clock += 3600000 * MS;
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_NONE);
		if (fetched == 1)
			assert_int_equal(fetch(&box, 1, WIRE_WHOLE), MD_CHANGED);
		box_refuses(&box, 1, MD_CHANGED);
		box_check(&box, C B);
		box_close(&box);
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		box_sends(&box, 1, SENT_C);
		box_remove(&box);
	}
}

/* The same behind a session that hashed another message, and waited. */
static void
test_sealed_and_forged_long_ago(void **state)
{
	struct box box;

	(void)state;
	make_sealed(&box, B A B B);
	box.when_pausing = move_clock;
	box_poke(&box, 0, C);
	box.host.backdate = box_backdate;
	box.foreign = true;
	box_open(&box);
	box_delete(&box, (const uint32_t[]){3, 0});
	assert_int_equal(box.pauses, 1);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_refuses(&box, 1, MD_CHANGED);
	box_check(&box, C B);
	box_remove(&box);
}

/*
 * Where the clock that stamps the index is not ours, its time does not tell that
 * nobody has touched it: it is read whole, and the damage found at once.
 */
static void
test_index_elsewhere(void **state)
{
	(void)state;
	for (int64_t ahead = -3600; ahead <= 3600; ahead += 7200) {
		struct box box;
		int fd;

		stop_clock(&box);
		box_fill(&box, A B);
		fault.clock += 25 * MS;
		box_visit(&box);
		fault.clock += 1000 * ahead * MS;
		box_open(&box);
		maildrop_set_last(box.md, 1);
		assert_int_equal(maildrop_update(box.md, &(uint32_t){0}), MD_OK);
		box_close(&box);
		fd = open(box.index, O_RDWR);
		assert_int_equal(pwrite(fd, "?", 1, HEADER + 20), 1);
		close(fd);
		assert_int_equal(box_enter(&box, O_RDWR), MD_OK);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		box_remove(&box);
	}
}

/* A file from the future is no reason to wait, nor to refuse it. */
static void
test_clock_behind(void **state)
{
	struct box box;

	(void)state;
	stop_clock(&box);
	fault.clock = NOON - 3600000 * MS;
	box_fill(&box, A C);
	for (int i = 0; i < 2; i++) {
		box_open(&box);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		box_sends(&box, 1, SENT_A);
		box_sends(&box, 2, SENT_C);
		box_close(&box);
	}
	box_open(&box);
	box_delete(&box, (const uint32_t[]){1, 0});
	box_open(&box);
	box_sends(&box, 1, SENT_C);
	assert_int_equal(box.pauses, 0);
	box_remove(&box);
}

#define MANY A A A A A A A A

/*
 * A reader rewrites the front in a session that deletes what is behind. The record
 * of what was made is then not believed; where mail came as well, not of the front.
 */
static void
test_changed_before_update(void **state)
{
	static const char *const arrivals[] = {"", B};

	(void)state;
	for (size_t i = 0; i < sizeof(arrivals) / sizeof(arrivals[0]); i++) {
		char made[sizeof(B A MANY B)];
		struct box box;

		stop_clock(&box);
		box.foreign = true;
		box.when_pausing = move_clock;
		box_fill(&box, A B C MANY);
		fault.clock += 100 * MS;
		box_visit(&box);
		box_open(&box);
		fault.stamp += 200 * MS;
		box_poke(&box, 0, B A);
		box_append(&box, arrivals[i]);
		fault.clock += 300 * MS;
		box_delete(&box, (const uint32_t[]){3, 0});
		snprintf(made, sizeof(made), "%s%s", B A MANY, arrivals[i]);
		box_check(&box, made);
		box_open(&box);
		if (i == 0)
			box_sends(&box, 1, SENT_B);
		else
			box_refuses(&box, 1, MD_CHANGED);
		box_check(&box, made);
		box_remove(&box);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_session),
	    cmocka_unit_test(test_between_sessions),
	    cmocka_unit_test(test_whole_seconds),
	    cmocka_unit_test(test_behind_update),
	    cmocka_unit_test(test_sealed),
	    cmocka_unit_test(test_sealed_no_more),
	    cmocka_unit_test(test_sealed_no_more_in_session),
	    cmocka_unit_test(test_not_sealed),
	    cmocka_unit_test(test_sealed_and_forged),
	    cmocka_unit_test(test_sealed_and_forged_long_ago),
	    cmocka_unit_test(test_index_elsewhere),
	    cmocka_unit_test(test_clock_behind),
	    cmocka_unit_test(test_changed_before_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
