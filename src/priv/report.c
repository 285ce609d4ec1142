/*
 * Log lines of a session, formatted by its monitor from numbers that the
 * session sent. Of text only the name that a client gave goes into the log, and
 * the few words of a note: made safe, and behind the address. Runs as root.
 */
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "log.h"

static const char *const mechs[IPC_MECHS] = {
    [IPC_MECH_PASS] = "PASS",
    [IPC_MECH_APOP] = "APOP",
    [IPC_MECH_PLAIN] = "PLAIN",
    [IPC_MECH_LOGIN] = "LOGIN",
    [IPC_MECH_SCRAM] = "SCRAM-SHA-256",
    [IPC_MECH_SCRAM_PLUS] = "SCRAM-SHA-256-PLUS",
    [IPC_MECH_EXTERNAL] = "EXTERNAL",
};

static const char *const scans[] = {
    [MD_SCAN_NONE] = "none",
    [MD_SCAN_TAIL] = "tail",
    [MD_SCAN_FULL] = "full",
};

static const char *const reasons[IPC_END_REASONS] = {
    "error",
    [IPC_END_QUIT] = "quit",
    [IPC_END_TIMEOUT] = "timeout",
    [IPC_END_DROP] = "drop",
    [IPC_END_KICKED] = "kicked",
    [IPC_END_ERROR] = "error",
    [IPC_END_SHUTDOWN] = "shutdown",
};

/* enum md_error, in the words of the log. */
static const char *const errors[MD_ERRORS] = {
    [MD_BUSY] = "locked by another program",
    [MD_CHANGED] = "changed by another program",
    [MD_FORMAT] = "not an mbox",
    [MD_TOO_BIG] = "over maildrop.max_size or maildrop.max_messages",
    [MD_READ_ONLY] = "read-only",
    [MD_NO_SPACE] = "no space left",
    [MD_NO_MEMORY] = "no memory left",
    [MD_IO] = "the disk failed",
    [MD_REFUSED] = "no dotlock can be made",
    [MD_PENDING] = "a journal that can be neither applied nor set aside",
    [MD_STOPPED] = "shutting down",
};

const char *
report_error(uint32_t error)
{
	return error < MD_ERRORS && errors[error] != NULL ? errors[error]
	                                                  : "unknown";
}

static const char *
mech_name(const struct monitor *monitor)
{
	return monitor->mech < IPC_MECHS && mechs[monitor->mech] != NULL
	           ? mechs[monitor->mech]
	           : "-";
}

static const char *
proto_name(const struct monitor *monitor)
{
	return monitor->setup->tls_now ? "pop3s" : "pop3";
}

void
report_recovered(const struct monitor *monitor)
{
	log_warning("sid=%s an interrupted update of %s was finished", monitor->sid,
	    monitor->opening.path);
}

void
report_login(const struct monitor *monitor, const struct ipc_opened *opened)
{
	char user[LOG_SAFE_SIZE(IPC_NAME_MAX)];

	log_info("sid=%s user=%s ip=%s proto=%s tls=%s auth=%s login=ok msgs=%u "
	         "octets=%llu new=%u scan=%s scan_ms=%.1f",
	    monitor->sid, log_safe(user, sizeof(user), monitor->user),
	    monitor->address, proto_name(monitor), ipc_tls_name(monitor->tls),
	    mech_name(monitor), opened->messages,
	    (unsigned long long)opened->octets, opened->fresh,
	    opened->scan < sizeof(scans) / sizeof(scans[0]) ? scans[opened->scan]
	                                                    : "-",
	    opened->scan_us / 1000.0);
	if (opened->recovered)
		report_recovered(monitor);
}

void
report_refusal(const struct monitor *monitor, const char *reason,
    const char *detail, bool quiet)
{
	char user[LOG_SAFE_SIZE(IPC_NAME_MAX)];

	(quiet ? log_debug : log_info)("sid=%s ip=%s proto=%s tls=%s auth=%s "
	                               "login=fail reason=%s%s%s%s user=%s",
	    monitor->sid, monitor->address, proto_name(monitor),
	    ipc_tls_name(monitor->tls), mech_name(monitor), reason,
	    detail[0] != '\0' ? " detail=\"" : "", detail,
	    detail[0] != '\0' ? "\"" : "",
	    log_safe(user, sizeof(user), monitor->user));
}

void
report_maildrop(const struct monitor *monitor, bool busy, const char *fault,
    bool quiet)
{
	char path[256], detail[512];

	/* it holds the client's name, which may hold what ends a detail */
	log_safe(path, sizeof(path), monitor->opening.path);
	snprintf(detail, sizeof(detail), "%s%s%s", path,
	    path[0] != '\0' ? ": " : "", fault);
	report_refusal(monitor, busy ? "busy" : "maildrop", detail, quiet);
}

static double
seconds(const struct monitor *monitor)
{
	return (double)(clock_now() - monitor->started) / 1000.0;
}

/* A connection that never logged in is news only if it failed at it. */
static void
report_visit(const struct monitor *monitor, const char *reason)
{
	(monitor->failures > 0
	        ? log_info
	        : log_debug)("sid=%s ip=%s end=%s failures=%u t=%.1f", monitor->sid,
	    monitor->address, reason, monitor->failures, seconds(monitor));
}

void
report_end(const struct monitor *monitor, const struct ipc_end *end)
{
	char user[LOG_SAFE_SIZE(IPC_NAME_MAX)], pending[32] = "", update[64] = "";
	const char *reason =
	    reasons[end->reason < IPC_END_REASONS ? end->reason : 0];

	if (monitor->phase != PHASE_OPEN) {
		report_visit(monitor, reason);
		return;
	}
	if (end->error != MD_OK)
		log_error("sid=%s %s of %s failed: %s", monitor->sid,
		    end->reason == IPC_END_QUIT ? "update" : "reading",
		    monitor->opening.path, report_error(end->error));
	if (end->dele_pending > 0)
		snprintf(pending, sizeof(pending), " dele_pending=%u",
		    end->dele_pending);
	if (end->reason == IPC_END_QUIT)
		snprintf(update, sizeof(update), " update_ms=%.1f",
		    end->update_us / 1000.0);
	log_info("sid=%s user=%s ip=%s end=%s retr=%u/%llu top=%u/%llu dele=%u%s "
	         "left=%u octets_left=%llu%s t=%.1f",
	    monitor->sid, log_safe(user, sizeof(user), monitor->user),
	    monitor->address, reason, end->retr,
	    (unsigned long long)end->retr_octets, end->top,
	    (unsigned long long)end->top_octets, end->dele, pending, end->left,
	    (unsigned long long)end->octets_left, update, seconds(monitor));
}

void
report_death(const struct monitor *monitor, int status)
{
	const int code = WEXITSTATUS(status);
	char user[LOG_SAFE_SIZE(IPC_NAME_MAX)], how[PATH_MAX + 64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "died of signal %d", WTERMSIG(status));
	else if (code == 0)
		snprintf(how, sizeof(how), "ended without saying so");
	else
		snprintf(how, sizeof(how), "could not begin: %s%s%s",
		    strerror(code), code == ENOENT ? "; its root folder is " : "",
		    code == ENOENT ? monitor->setup->sandbox->root : "");
	log_error("sid=%s user=%s ip=%s end=error session %s, t=%.1f", monitor->sid,
	    log_safe(user, sizeof(user), monitor->user), monitor->address, how,
	    seconds(monitor));
}

/* The events that a session tells: what is said around the text of each. */
/* clang-format off */
static const struct {
	const char *before, *after;
} notes[IPC_NOTES] = {
    [IPC_NOTE_CLEARTEXT] = {"tls=- auth=PASS login=fail reason=cleartext user=", ""},
    [IPC_NOTE_CLEARTEXT_AUTH] = {"tls=- auth=", " login=fail reason=cleartext"},
    [IPC_NOTE_HANDSHAKE] = {"TLS handshake failed reason=", ""},
    [IPC_NOTE_NO_PROXY] = {
	"no PROXY header, which listen.proxy_networks asks for reason=", ""},
};
/* clang-format on */

void
report_note(const struct monitor *monitor, enum ipc_note note, const char *text)
{
	char safe[LOG_SAFE_SIZE(IPC_NAME_MAX)];

	log_safe(safe, sizeof(safe), text);
	if (note == IPC_NOTE_FOREIGN)
		log_info("sid=%s ip=%s %s %s", monitor->sid, monitor->address, safe,
		    monitor->setup->tls_now ? "inside TLS"
		                            : "on the plaintext port");
	else if (note < IPC_NOTES && notes[note].before != NULL)
		log_info("sid=%s ip=%s proto=%s %s%s%s", monitor->sid,
		    monitor->address, proto_name(monitor), notes[note].before, safe,
		    notes[note].after);
}
