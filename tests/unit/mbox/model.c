/*
 * The code of cuts and recovery over a simulated disk: random lives, every
 * life of small maildrops, calls that fail, and the proof that each sync of
 * the code would be missed. Prints what it did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "../../model/run.h"

#ifdef POPLAR_SANITIZED
enum { RUNS = 4000, SMALL = 1 };
#else
enum { RUNS = 150000, SMALL = 4 };
#endif
#define WEAK_RUNS 100000 /* at most, until a weakness is noticed */

static void
report(const char *what, const struct tally *tally)
{
	printf("# %s: %lu runs, %lu bad; %lu cuts, %lu confirmed, %lu deaths, "
	       "%lu power cuts, %lu faults, %lu recoveries, %lu delivered, %lu "
	       "rewritten, "
	       "%lu conflicts, %lu messages compared\n",
	    what, tally->runs, tally->bad, tally->sessions, tally->confirmed,
	    tally->deaths, tally->cuts, tally->faults, tally->recoveries,
	    tally->delivered, tally->rewrites, tally->conflicts, tally->messages);
}

static void
run_many(unsigned long runs, bool faulty, struct tally *tally)
{
	for (unsigned long seed = 1; seed <= runs; seed++) {
		if (run_random(seed, faulty, tally))
			continue;
		if (sim.weak != SITE_NONE)
			return;
		printf("# bad: seed %lu%s\n", seed, faulty ? ", faulty" : "");
	}
}

static void
test_random(void **state)
{
	struct tally tally = {0};

	(void)state;
	run_many(RUNS, false, &tally);
	report("random", &tally);
	assert_int_equal(tally.bad, 0);
}

static void
test_faults(void **state)
{
	struct tally tally = {0};

	(void)state;
	run_many(RUNS, true, &tally);
	report("with faults", &tally);
	assert_int_equal(tally.bad, 0);
}

/* Small, across sectors, filling them. */
static const size_t lengths[4][3] = {
    {40,  30,  50 },
    {40,  600, 30 },
    {600, 40,  600},
    {512, 512, 30 }
};

static void
run_small(const size_t length[3], struct tally *tally)
{
	struct every every = {
	    .length = {length[0], length[1], length[2]}
        };

	for (unsigned kind = 0; kind < 4; kind++) {
		every.full = (kind & 1) != 0;
		every.faulty = (kind & 2) != 0;
		for (every.mask = 1; every.mask < 8; every.mask++) {
			run_every(&every, tally);
			if (sim.weak != SITE_NONE && tally->bad > 0)
				return;
		}
	}
}

static void
test_every(void **state)
{
	struct tally tally = {0};

	(void)state;
	for (size_t i = 0; i < SMALL; i++)
		run_small(lengths[i], &tally);
	report("exhaustive", &tally);
	assert_int_equal(tally.bad, 0);
}

/* Leaves one thing out, and sees whether anyone notices. */
static bool
is_noticed(enum sim_site weakness)
{
	struct tally tally = {0};

	sim.weak = weakness;
	run_many(WEAK_RUNS, false, &tally);
	if (tally.bad == 0)
		run_small(lengths[0], &tally);
	if (tally.bad == 0)
		run_many(WEAK_RUNS, true, &tally);
	sim.weak = SITE_NONE;
	printf("# without %s: %s after %lu runs\n", sim_name(weakness),
	    tally.bad > 0 ? "noticed" : "not noticed", tally.runs);
	return tally.bad > 0;
}

static void __attribute__((unused)) test_weaknesses(void **state)
{
	unsigned missed = 0;

	(void)state;
	for (enum sim_site site = SITE_NONE + 1; site < WEAKNESSES; site++)
		missed += !is_noticed(site);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_every),
	    cmocka_unit_test(test_faults),
#ifndef POPLAR_SANITIZED
	    cmocka_unit_test(test_weaknesses),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
