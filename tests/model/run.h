/*
 * One life of a maildrop: sessions that delete, crashes in them and in the
 * recovery, and what other programs do in between.
 */
#ifndef POPLAR_MODEL_RUN_H
#define POPLAR_MODEL_RUN_H

#include "world.h"

/* What happened in all runs, to be printed. */
struct tally {
	unsigned long runs, bad, sessions, deaths, cuts, recoveries;
	unsigned long delivered, rewrites, conflicts, confirmed, moves, faults;
	unsigned long messages; /* compared to the octet */
};

/*
 * Runs a life by a seed; in a faulty one calls fail, too. False: something
 * was lost, or told wrongly.
 */
bool run_random(uint64_t seed, bool faulty, struct tally *tally);

/*
 * Every life of a small maildrop of three messages, of which those in the
 * mask go: a crash at each call, each content that the disk may have then, a
 * delivery or none, a crash at each call of the recovery, and a power cut
 * after all. With failing calls in the place of the second crash if faulty.
 */
struct every {
	size_t length[3];
	unsigned mask;
	bool full, faulty;
};

void run_every(const struct every *every, struct tally *tally);

#endif
