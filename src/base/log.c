/*
 * Log lines to standard error or, as non-blocking datagrams, to syslog. Used
 * by everything that may speak: never by src/mbox, nor by a session once it
 * is in the sandbox (its monitor speaks for it). The log's own state and the
 * room for the process's title (title.c) are the program's only mutable globals.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <vis.h>

static struct {
	enum log_target target;
	enum log_level level;
	int fd; /* to syslog; -1 until connected */
	unsigned long lost;
} state = {LOG_TO_STDERR, LOG_INFO_LEVEL, -1, 0};

static const struct {
	const char *word;
	int priority;
} levels[] = {
    [LOG_ERROR_LEVEL] = {"error: ",   LOG_ERR    },
    [LOG_WARNING_LEVEL] = {"warning: ", LOG_WARNING},
    [LOG_INFO_LEVEL] = {"",          LOG_INFO   },
    [LOG_DEBUG_LEVEL] = {"",          LOG_DEBUG  },
};

static void
connect_syslog(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
	    .sun_path = "/dev/log"};

	if (state.fd == -1)
		state.fd = socket(AF_UNIX,
		    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (state.fd != -1)
		(void)connect(state.fd, (struct sockaddr *)&address,
		    sizeof(address));
}

void
log_open(enum log_target target, enum log_level level)
{
	if (target != LOG_TO_NOTHING)
		tzset();
	state.target = target;
	state.level = level;
	if (target == LOG_TO_SYSLOG)
		connect_syslog();
}

int
log_descriptor(void)
{
	switch (state.target) {
	case LOG_TO_STDERR:
		return STDERR_FILENO;
	case LOG_TO_SYSLOG:
		return state.fd;
	default:
		return -1;
	}
}

/* One datagram; a restarted syslog is connected to again, once. */
static bool
send_datagram(const char *line, size_t len)
{
	if (send(state.fd, line, len, MSG_NOSIGNAL) != -1)
		return true;
	if (errno == EAGAIN)
		return false;
	connect_syslog();
	return send(state.fd, line, len, MSG_NOSIGNAL) != -1;
}

/* False, here and on standard error: the line is lost. */
static bool
to_syslog(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 128], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	strftime(stamp, sizeof(stamp), "%b %e %T", localtime_r(&now, &tm));
	n = snprintf(line, sizeof(line), "<%d>%s poplard[%ld]: %s%s",
	    LOG_MAIL | levels[level].priority, stamp, (long)getpid(),
	    levels[level].word, text);
	return send_datagram(line, (size_t)n);
}

/* A pipe that nobody empties would hold us up; a line is below PIPE_BUF. */
static bool
write_stderr(const char *line, size_t len)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0 &&
	       write(STDERR_FILENO, line, len) != -1;
}

static bool
to_stderr(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 128];
	int n = snprintf(line, sizeof(line), "%s: %s%s\n", getprogname(),
	    levels[level].word, text);

	return write_stderr(line, (size_t)n);
}

static bool
send_line(enum log_level level, const char *text)
{
	return state.target == LOG_TO_SYSLOG ? to_syslog(level, text)
	                                     : to_stderr(level, text);
}

static void
tell_lost(void)
{
	char text[64];

	if (state.lost == 0)
		return;
	snprintf(text, sizeof(text), "%lu log lines lost", state.lost);
	if (send_line(LOG_WARNING_LEVEL, text))
		state.lost = 0;
}

/* What was lost is told first, once a line passes again. */
static void
put(enum log_level level, const char *text)
{
	tell_lost();
	if (!send_line(level, text))
		state.lost++;
}

unsigned long
log_take_lost(void)
{
	const unsigned long lost = state.lost;

	/* not written where it is 0: a fork shares the page */
	if (lost > 0)
		state.lost = 0;
	return lost;
}

void
log_tell_lost(unsigned long lost)
{
	if (lost > 0)
		state.lost += lost;
	tell_lost();
}

static void __attribute__((format(printf, 2, 0)))
emit(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];
	int saved = errno;

	if (level <= state.level && state.target != LOG_TO_NOTHING) {
		vsnprintf(text, sizeof(text), fmt, ap);
		put(level, text);
	}
	errno = saved;
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERROR_LEVEL, fmt, ap);
	va_end(ap);
}

void
log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_WARNING_LEVEL, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_INFO_LEVEL, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_DEBUG_LEVEL, fmt, ap);
	va_end(ap);
}

void
fatal(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERROR_LEVEL, fmt, ap);
	va_end(ap);
	_exit(code);
}

/* What vis(3) leaves as it is. It allocates memory three times for each octet. */
static bool
is_plain(char octet)
{
	return octet > ' ' && octet < 0x7f && octet != '\\' && octet != '"';
}

/* Not strnvis(3): libbsd's puts a NUL behind dst where the text does not fit. */
char *
log_safe(char *dst, size_t size, const char *text)
{
	char octet[8];
	size_t used = 0, len;

	for (; *text != '\0'; text++) {
		octet[0] = *text;
		octet[1] = '\0';
		if (!is_plain(*text) &&
		    vis(octet, (unsigned char)*text, VIS_OCTAL | VIS_WHITE | VIS_DQ,
		        0) == NULL)
			break;
		len = strlen(octet);
		if (len >= size - used)
			break;
		memcpy(dst + used, octet, len);
		used += len;
	}
	dst[used] = '\0';
	return dst;
}
