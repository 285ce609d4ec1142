/*
 * Names that have no SCRAM keys are to look like those that have: how many of
 * the users file have keys of which iterations and length of salt.
 */
#ifndef POPLAR_PRIV_IMITATION_H
#define POPLAR_PRIV_IMITATION_H

#include <stddef.h>
#include <stdint.h>

/* Different ones that are told apart; more are not imitated. */
#define IMITATION_MAX 32

struct imitated {
	uint32_t iterations;
	size_t salt; /* octets */
	uint32_t users;
};

/* Zeroed is empty. */
struct imitation {
	uint64_t users;
	size_t count;
	struct imitated kinds[IMITATION_MAX]; /* in ascending order */
};

/* One more user has keys like these. */
void imitation_add(struct imitation *imitation, uint32_t iterations, size_t salt);

/*
 * What a name looks like for which a lot of 32 bits was drawn: each kind as
 * often as it was added; of nothing added, like new keys.
 */
struct imitated imitation_draw(const struct imitation *imitation, uint32_t lot);

#endif
