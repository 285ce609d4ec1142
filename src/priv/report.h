/*
 * The lines of the log that tell of a session: one at login, one at the end.
 */
#ifndef POPLAR_PRIV_REPORT_H
#define POPLAR_PRIV_REPORT_H

#include <stdbool.h>

#include "running.h"

/* An enum md_error that a session sent, in words; never NULL. */
const char *report_error(uint32_t error);

/* A login, with its maildrop open. */
void report_login(const struct monitor *monitor, const struct ipc_opened *opened);

/* An interrupted UPDATE was finished, at a login or by a recovery. */
void report_recovered(const struct monitor *monitor);

/* A refused login. quiet: at level debug, for what repeats too often. */
void report_refusal(const struct monitor *monitor, const char *reason,
    const char *detail, bool quiet);

/* The same where the credentials were right: what is wrong with which maildrop. */
void report_maildrop(const struct monitor *monitor, bool busy, const char *fault,
    bool quiet);

/* The end of a session, in its own words. */
void report_end(const struct monitor *monitor, const struct ipc_end *end);

/* A session that died without a word; status is waitpid(2)'s. */
void report_death(const struct monitor *monitor, int status);

/* An event that the session tells; text is the client's, or empty. */
void report_note(const struct monitor *monitor, enum ipc_note note,
    const char *text);

#endif
