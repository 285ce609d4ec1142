/*
 * LOGIN-DELAY as a leaky bucket of one number: `delay` in the state folder
 * holds the time at which all earlier logins will have been paid for, each
 * costing one delay. A client may be BURST - 1 delays ahead of the clock, so
 * one that fetches in a session and deletes in the next is let through. Runs
 * as root.
 */
#include "delay.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "state_files.h"
#include "text.h"

#define BURST 3
#define NAME "delay"

static uint64_t
wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t
read_number(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t value;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return text_number(text, UINT64_MAX, &value) ? value : 0;
}

static void
write_number(int fd, uint64_t value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64, value);

	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)n, 0);
}

bool
delay_permits(int state, uint64_t delay_ms)
{
	uint64_t now, paid;
	bool fresh, permits;
	int fd;

	if (delay_ms == 0 || (fd = state_file(state, NAME, &fresh)) == -1)
		return true;
	now = wall_clock_ms();
	paid = read_number(fd);
	/* behind the clock: nothing is owed; far ahead: the clock was set back */
	if (paid < now || paid > now + BURST * delay_ms)
		paid = now;
	permits = paid <= now + (BURST - 1) * delay_ms;
	if (permits)
		write_number(fd, paid + delay_ms);
	close(fd);
	return permits;
}
