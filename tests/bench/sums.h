/*
 * What a mailbox must look like on the wire, message by message: mkmbox
 * writes it beside the mailbox as FILE.sums, load compares with it.
 */
#ifndef BENCH_SUMS_H
#define BENCH_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* Octets of the wire form without byte-stuffing, and their XXH3-64. */
struct sum {
	uint64_t octets, hash;
};

/* at[0] is the whole file taken as one message, at[n] message n. */
struct sums {
	struct sum *at;
	size_t count; /* messages: at has one more */
};

/* Reads a file that mkmbox wrote; ends the program where it cannot. */
void sums_read(struct sums *sums, const char *path);

#endif
