/*
 * A journal that is not what was written: each octet changed, cut short at
 * each length, of another maildrop. It is never applied wrongly: the maildrop
 * stays as it is, to the octet, or the cut is finished as it should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../model/world.h"
#include "mbox/journal.h"

#define CALLS 40 /* more than any cut here makes */

static struct world world, kept_world; /* but for its texts */
static unsigned char mbox[SIM_MAX], journal[SIM_MAX];
static off_t mbox_size, journal_size;

static unsigned
first(unsigned n)
{
	(void)n;
	return 0;
}

/* Dies at a call of a cut that takes out the first message, or the last. */
static void
die_at(unsigned call, unsigned gone, bool full)
{
	struct span spans[WORLD_PARTS];
	struct cut cut;

	sim.choose = first;
	sim.block = 4096;
	sim_reset();
	world_start(&world);
	world_deliver(&world, 60, false, true);
	world_deliver(&world, 900, false, true);
	world_deliver(&world, 300, false, true);
	sim_boot(false, 0);
	cut_prepare(SIM_JOURNAL);
	sim.full = full;
	world.parts[gone].gone = true;
	cut = world_cut(&world, spans);
	sim_boot(false, call);
	cut_commit(&cut);
	sim.full = false;
	world.new = true;
	mbox_size = sim.file[SIM_MBOX].size;
	journal_size = sim.file[SIM_JOURNAL].size;
	memcpy(mbox, sim.file[SIM_MBOX].now, (size_t)mbox_size);
	memcpy(journal, sim.file[SIM_JOURNAL].now, (size_t)journal_size);
	memcpy(&kept_world, &world, offsetof(struct world, arena));
}

static void
put_back(void)
{
	struct sim_file *files = sim.file;

	memcpy(&world, &kept_world, offsetof(struct world, arena));
	for (int fd = 0; fd < SIM_FILES; fd++)
		files[fd].count = files[fd].used = 0;
	memcpy(files[SIM_MBOX].now, mbox, (size_t)mbox_size);
	memcpy(files[SIM_JOURNAL].now, journal, (size_t)journal_size);
	files[SIM_MBOX].size = files[SIM_MBOX].disk_size = mbox_size;
	files[SIM_JOURNAL].size = files[SIM_JOURNAL].disk_size = journal_size;
}

static enum md_recovery
check_recovery(void)
{
	enum md_recovery recovery;

	sim_boot(true, 0);
	assert_int_equal(cut_recover(SIM_MBOX, SIM_JOURNAL, &recovery), MD_OK);
	if (recovery == MD_RECOVERY_DONE) {
		assert_true(world_settle(&world));
		return recovery;
	}
	assert_int_equal(sim.file[SIM_MBOX].size, mbox_size);
	assert_memory_equal(sim.file[SIM_MBOX].now, mbox, (size_t)mbox_size);
	return recovery;
}

/* Calls a check for each state that a death leaves a head in. */
static void
for_each_state(void (*check)(void))
{
	for (unsigned call = 1; call <= CALLS; call++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			die_at(call, (kind & 1) != 0 ? 2 : 0, (kind & 2) != 0);
			if (sim_head()->sequence != 0)
				check();
		}
	}
}

static void
check_flips(void)
{
	static const unsigned char masks[] = {0x01, 0xff};

	for (off_t at = 0; at < journal_size; at++) {
		for (size_t i = 0; i < sizeof(masks); i++) {
			put_back();
			sim.file[SIM_JOURNAL].now[at] ^= masks[i];
			check_recovery();
		}
	}
}

static void
test_flips(void **state)
{
	(void)state;
	for_each_state(check_flips);
}

/* With one head alone there is nothing to fall back on. */
static void
check_only_head(void)
{
	const struct journal_head *head = sim_head();
	size_t end = (size_t)(head->body_at + head->body_length);

	if (head->sequence != 1)
		return;
	for (size_t at = 0; at < end; at++) {
		if (at >= JOURNAL_SLOT && at < JOURNAL_BODY)
			continue;
		put_back();
		sim.file[SIM_JOURNAL].now[at] ^= 0x20;
		if (at < (size_t)journal_size)
			assert_int_equal(check_recovery(), MD_RECOVERY_CONFLICT);
	}
}

static void
test_only_head(void **state)
{
	(void)state;
	for_each_state(check_only_head);
}

static void
check_short(void)
{
	for (off_t size = 0; size < journal_size; size++) {
		put_back();
		sim.file[SIM_JOURNAL].size = size;
		check_recovery();
	}
}

static void
test_short(void **state)
{
	(void)state;
	for_each_state(check_short);
}

/* Another file in the maildrop's place, or none; that matters to no finished cut. */
static void
check_other(void)
{
	const enum md_recovery right = sim_head()->phase == JOURNAL_DONE
	                                   ? MD_RECOVERY_NONE
	                                   : MD_RECOVERY_CONFLICT;
	enum md_recovery recovery;

	put_back();
	sim.file[SIM_MBOX].inode++;
	assert_int_equal(check_recovery(), right);
	sim.file[SIM_MBOX].inode--;
	put_back();
	sim_boot(true, 0);
	assert_int_equal(cut_recover(-1, SIM_JOURNAL, &recovery), MD_OK);
	assert_int_equal(recovery, right);
}

static void
test_other_maildrop(void **state)
{
	(void)state;
	for_each_state(check_other);
}

/* A cut is not begun over a journal that holds another. */
static void
check_pending(void)
{
	const struct span rest = {.start = 60, .end = mbox_size};
	const struct cut cut = {.mbox = SIM_MBOX,
	    .journal = SIM_JOURNAL,
	    .size = mbox_size,
	    .keep = &rest,
	    .count = 1};

	if (mbox_size <= 60)
		return;
	put_back();
	sim_boot(false, 0);
	assert_int_equal(cut_commit(&cut), MD_PENDING);
	assert_memory_equal(sim.file[SIM_MBOX].now, mbox, (size_t)mbox_size);
	assert_memory_equal(sim.file[SIM_JOURNAL].now, journal,
	    (size_t)journal_size);
}

static void
test_pending(void **state)
{
	(void)state;
	for_each_state(check_pending);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flips),
	    cmocka_unit_test(test_only_head),
	    cmocka_unit_test(test_short),
	    cmocka_unit_test(test_other_maildrop),
	    cmocka_unit_test(test_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
