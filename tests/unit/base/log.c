/*
 * Log lines to standard error and to a syslog that takes them, is full, goes
 * away and comes back. /dev/log is a socket of this test's: its own connect()
 * is used instead of the library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static char folder[] = "/tmp/poplar-log-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int syslogd = -1;
static int saved_stderr, told; /* told: a file in the place of descriptor 2 */

int
connect(int fd, const struct sockaddr *name, socklen_t len)
{
	assert_string_equal(
	    ((const struct sockaddr_un *)(const void *)name)->sun_path, "/dev/log");
	(void)len;
	return (int)syscall(SYS_connect, fd, &address, sizeof(address));
}

static void
start_syslogd(void)
{
	(void)unlink(address.sun_path);
	syslogd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_not_equal(syslogd, -1);
	assert_int_equal(
	    bind(syslogd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void
stop_syslogd(void)
{
	close(syslogd);
	syslogd = -1;
	(void)unlink(address.sun_path);
}

/* The next line that syslog got; empty if there is none. */
static const char *
next_line(void)
{
	static char line[LOG_LINE_MAX + 200];
	ssize_t n = recv(syslogd, line, sizeof(line) - 1, 0);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* What stands behind "poplard[pid]: " after checking what stands before. */
static const char *
text_of(const char *line, int priority)
{
	char head[32], tag[32];
	const char *text;

	snprintf(head, sizeof(head), "<%d>", priority);
	snprintf(tag, sizeof(tag), " poplard[%ld]: ", (long)getpid());
	assert_memory_equal(line, head, strlen(head));
	text = strstr(line, tag);
	assert_non_null(text);
	assert_int_equal(text - line - (ptrdiff_t)strlen(head),
	    strlen("Jan  1 00:00:00"));
	return text + strlen(tag);
}

static int
catch_stderr(void **state)
{
	char path[] = "/tmp/poplar-log-XXXXXX";

	(void)state;
	told = mkstemp(path);
	(void)unlink(path);
	saved_stderr = dup(STDERR_FILENO);
	return told == -1 || dup2(told, STDERR_FILENO) == -1 ? -1 : 0;
}

static int
release_stderr(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(told);
	return 0;
}

/* All that was written to standard error so far. */
static const char *
said(void)
{
	static char text[2 * LOG_LINE_MAX];
	ssize_t n = pread(told, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
test_levels(void **state)
{
	(void)state;
	log_open(LOG_TO_STDERR, LOG_DEBUG_LEVEL);
	log_error("a=%d", 1);
	log_warning("b");
	log_info("c");
	log_debug("d");
	log_open(LOG_TO_STDERR, LOG_ERROR_LEVEL);
	log_error("e");
	log_warning("f");
	log_info("g");
	log_debug("h");
	assert_string_equal(said(), "poplard: error: a=1\npoplard: warning: b\n"
	                            "poplard: c\npoplard: d\npoplard: error: e\n");
}

static void
test_nothing(void **state)
{
	(void)state;
	log_open(LOG_TO_NOTHING, LOG_DEBUG_LEVEL);
	log_error("a");
	assert_string_equal(said(), "");
	assert_int_equal(log_descriptor(), -1);
	log_open(LOG_TO_STDERR, LOG_INFO_LEVEL);
	assert_int_equal(log_descriptor(), STDERR_FILENO);
}

static void
test_long_line_is_cut(void **state)
{
	char text[2 * LOG_LINE_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_open(LOG_TO_STDERR, LOG_INFO_LEVEL);
	log_info("%s", text);
	assert_int_equal(strlen(said()), strlen("poplard: \n") + LOG_LINE_MAX - 1);
	assert_int_equal(said()[strlen(said()) - 1], '\n');
}

static void
test_errno_stays(void **state)
{
	(void)state;
	log_open(LOG_TO_STDERR, LOG_INFO_LEVEL);
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_info("nobody reads this");
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(dup2(told, STDERR_FILENO), STDERR_FILENO);
}

static void
test_fatal(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	log_open(LOG_TO_STDERR, LOG_INFO_LEVEL);
	pid = fork();
	if (pid == 0)
		fatal(71, "no %s", "more");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 71);
	assert_string_equal(said(), "poplard: error: no more\n");
}

static void
test_syslog(void **state)
{
	(void)state;
	start_syslogd();
	log_open(LOG_TO_SYSLOG, LOG_DEBUG_LEVEL);
	assert_true(log_descriptor() > STDERR_FILENO);
	assert_int_equal(fcntl(log_descriptor(), F_GETFD), FD_CLOEXEC);
	log_error("a");
	log_warning("b");
	log_info("c=%s", "d");
	log_debug("e");
	assert_string_equal(text_of(next_line(), 19), "error: a");
	assert_string_equal(text_of(next_line(), 20), "warning: b");
	assert_string_equal(text_of(next_line(), 22), "c=d");
	assert_string_equal(text_of(next_line(), 23), "e");
	assert_string_equal(next_line(), "");
	stop_syslogd();
}

/* A syslog that does not read stops nobody; what is lost is counted. */
static void
test_full_syslog(void **state)
{
	const unsigned sent = 2000;
	unsigned got = 0;
	char words[64];

	(void)state;
	start_syslogd();
	log_open(LOG_TO_SYSLOG, LOG_INFO_LEVEL);
	for (unsigned i = 0; i < sent; i++)
		log_info("line %u", i);
	while (next_line()[0] != '\0')
		got++;
	assert_in_range(got, 1, sent - 1);
	log_info("after");
	snprintf(words, sizeof(words), "warning: %u log lines lost", sent - got);
	assert_string_equal(text_of(next_line(), 20), words);
	assert_string_equal(text_of(next_line(), 22), "after");
	assert_string_equal(next_line(), "");
	stop_syslogd();
}

static void
test_syslog_goes_and_comes(void **state)
{
	(void)state;
	start_syslogd();
	log_open(LOG_TO_SYSLOG, LOG_INFO_LEVEL);
	stop_syslogd();
	log_info("lost");
	log_info("lost");
	start_syslogd();
	log_info("first");
	log_info("second");
	assert_string_equal(text_of(next_line(), 20), "warning: 2 log lines lost");
	assert_string_equal(text_of(next_line(), 22), "first");
	assert_string_equal(text_of(next_line(), 22), "second");
	assert_string_equal(next_line(), "");
	stop_syslogd();
}

/* Every octet alone: printable, no blank, and still told apart. */
static void
test_safe_octets(void **state)
{
	char text[2] = "", dst[64];

	(void)state;
	for (int octet = 1; octet < 256; octet++) {
		text[0] = (char)octet;
		assert_ptr_equal(log_safe(dst, sizeof(dst), text), dst);
		assert_true(dst[0] != '\0');
		for (const char *p = dst; *p != '\0'; p++)
			assert_in_range(*p, '!', '~');
		if (octet > ' ' && octet < 0x7f && octet != '\\' && octet != '"')
			assert_string_equal(dst, text);
		else
			assert_int_equal(dst[0], '\\');
	}
	assert_string_equal(log_safe(dst, sizeof(dst), "a b\r\nuser=x \xff"),
	    "a\\040b\\015\\012user=x\\040\\377");
	assert_string_equal(log_safe(dst, sizeof(dst), ""), "");
}

/* Cut where it does not fit, whatever octet is there; nothing behind is touched. */
static void
test_safe_is_cut(void **state)
{
	static const char *const texts[] = {"abcdefghijkl", "\n\n\n\n\n\n",
	    "abcdefg\n", "abcdef\n\n", "        "};
	char dst[16];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t size = 1; size <= 9; size++) {
			memset(dst, '#', sizeof(dst));
			log_safe(dst, size, texts[i]);
			assert_non_null(memchr(dst, '\0', size));
			assert_null(memchr(dst, '#', strlen(dst)));
			assert_int_equal(dst[size], '#');
		}
	}
	assert_string_equal(log_safe(dst, 5, "abcdefgh"), "abcd");
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/log", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

#define ON_STDERR(test)                                                            \
	cmocka_unit_test_setup_teardown(test, catch_stderr, release_stderr)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_STDERR(test_levels),
	    ON_STDERR(test_nothing),
	    ON_STDERR(test_long_line_is_cut),
	    ON_STDERR(test_fatal),
	    cmocka_unit_test(test_syslog),
	    cmocka_unit_test(test_full_syslog),
	    cmocka_unit_test(test_syslog_goes_and_comes),
	    ON_STDERR(
	        test_errno_stays), /* loses a line, which the next would tell */
	    cmocka_unit_test(test_safe_octets),
	    cmocka_unit_test(test_safe_is_cut),
	};

	setprogname("poplard");
	return cmocka_run_group_tests_name("log", tests, make_folder,
	    remove_folder);
}
