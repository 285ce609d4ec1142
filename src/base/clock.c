/*
 * The monotonic clock in milliseconds. Used everywhere, no privilege.
 */
#include "clock.h"

#include <errno.h>
#include <time.h>

uint64_t
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
}

uint64_t
clock_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int
clock_poll_timeout(uint64_t deadline)
{
	uint64_t now = clock_now();

	if (deadline == 0)
		return -1;
	if (deadline <= now)
		return 0;
	return deadline - now < 3600000 ? (int)(deadline - now) : 3600000;
}

void
clock_sleep(unsigned ms)
{
	const struct timespec span = {
	    .tv_sec = ms / 1000,
	    .tv_nsec = (long)(ms % 1000) * 1000000,
	};

	nanosleep(&span, NULL);
}

void
clock_sleep_until(uint64_t deadline)
{
	const uint64_t ms = deadline - 1; /* as clock_now() counts */
	const struct timespec instant = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_nsec = (long)(ms % 1000) * 1000000,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &instant, NULL) ==
	       EINTR)
		;
}
