/*
 * Log lines, to syslog (facility mail) or standard error.
 *
 * One line an event, `key=value` pairs. Text that a client gave goes through
 * log_safe() first. syslog is reached by our own non-blocking datagrams: a
 * blocked or absent syslog never stops the service; lines that were lost are
 * counted, and the count is reported once lines pass again.
 */
#ifndef POPLAR_LOG_H
#define POPLAR_LOG_H

#include <stddef.h>

/* Every log line is cut to this many octets. */
#define LOG_LINE_MAX 2048

enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_NOTHING };
enum log_level {
	LOG_ERROR_LEVEL,
	LOG_WARNING_LEVEL,
	LOG_INFO_LEVEL,
	LOG_DEBUG_LEVEL
};

/*
 * Chooses where lines go and how many; may be called again. Reads the time
 * zone, so it is called before any chroot. Before the first call lines of
 * LOG_INFO_LEVEL and above go to standard error.
 */
void log_open(enum log_target target, enum log_level level);

/* The descriptor that lines go to, so that it survives a closefrom; or -1. */
int log_descriptor(void);

/*
 * How many lines this process has lost and not told of. They are the caller's
 * to tell, and forgotten here.
 */
unsigned long log_take_lost(void);

/* Tells of those that another process took, and of our own; if need be later. */
void log_tell_lost(unsigned long lost);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * For set-up and for a broken process protocol only: logs an error and exits
 * with a code of sysexits(3).
 */
_Noreturn void fatal(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for all of a field of that size, made printable. */
#define LOG_SAFE_SIZE(size) (4 * (size))

/*
 * Makes hostile text printable: no blank, no control, no 8-bit octet is left
 * (strvis(3), octal). dst is always terminated and holds at most size - 1
 * octets (size is never 0); what does not fit is cut. Returns dst.
 */
char *log_safe(char *dst, size_t size, const char *text);

#endif
