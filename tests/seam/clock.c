/*
 * In place of src/base/clock.c in the fastclock build: a clock that runs 200
 * times faster than the real one, so that timeouts of minutes can be tested
 * in seconds. No privilege. The system tests know the factor.
 */
#include "clock.h"

#include <errno.h>
#include <time.h>

#define FACTOR 200

uint64_t
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * FACTOR +
	       (uint64_t)now.tv_nsec / (1000000 / FACTOR) + 1;
}

uint64_t
clock_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000) *
	       FACTOR;
}

int
clock_poll_timeout(uint64_t deadline)
{
	uint64_t now = clock_now();

	if (deadline == 0)
		return -1;
	if (deadline <= now)
		return 0;
	return deadline - now < 3600000ULL * FACTOR
	           ? (int)((deadline - now + FACTOR - 1) / FACTOR)
	           : 3600000;
}

void
clock_sleep(unsigned ms)
{
	const struct timespec span = {
	    .tv_sec = ms / (1000 * FACTOR),
	    .tv_nsec = (long)(ms % (1000 * FACTOR)) * (1000000 / FACTOR),
	};

	nanosleep(&span, NULL);
}

void
clock_sleep_until(uint64_t deadline)
{
	const uint64_t ms = deadline - 1; /* as clock_now() counts */
	const struct timespec instant = {
	    .tv_sec = (time_t)(ms / (1000 * FACTOR)),
	    .tv_nsec = (long)(ms % (1000 * FACTOR)) * (1000000 / FACTOR),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &instant, NULL) ==
	       EINTR)
		;
}
