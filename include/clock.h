/*
 * The clock of all timers: monotonic, so that a step of the wall clock moves
 * no deadline. It is one file so that a test build can put a faster one in
 * its place.
 */
#ifndef POPLAR_CLOCK_H
#define POPLAR_CLOCK_H

#include <stdint.h>

/* Milliseconds on the monotonic clock; never 0. */
uint64_t clock_now(void);

/* Microseconds on it, for what is measured and not waited for. */
uint64_t clock_now_us(void);

/*
 * What to give to poll(2) to wake at the deadline: real milliseconds, at
 * least 0, never past it by more than one; at most an hour, so a caller looks
 * at the clock again. A deadline of 0 means none: -1.
 */
int clock_poll_timeout(uint64_t deadline);

/* Sleeps for a number of milliseconds; may return early on a signal. */
void clock_sleep(unsigned ms);

/* Sleeps until a deadline (never 0), to its very instant, whatever signals come. */
void clock_sleep_until(uint64_t deadline);

#endif
