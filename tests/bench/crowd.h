/*
 * Many sessions at once from one process: USER, PASS, STAT, QUIT, each
 * command once its predecessor was answered, again and again.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdint.h>

#include "pop.h"

struct crowd_result {
	uint64_t sessions, failed;
	double seconds; /* from the first connection to the last end */
};

/*
 * Keeps `clients` sessions going for a time; client n logs in as user and n.
 * A session ends when the server has closed the connection.
 */
struct crowd_result crowd_run(const struct target *target, const char *user,
    unsigned clients, double seconds);

#endif
