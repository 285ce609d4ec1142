/*
 * Unique-ids (RFC 1725 section 7 UIDL): from the octets of a message, and a
 * number where several messages have the same ones.
 */
#ifndef POPLAR_MBOX_UIDL_H
#define POPLAR_MBOX_UIDL_H

#include <stddef.h>
#include <stdint.h>

#include "maildrop.h"
#include "table.h"

/* The unique-id of a message, terminated; returns its length. */
size_t uidl_format(const struct message *message, char uid[MD_UID_MAX + 1]);

/*
 * Gives the messages from first on their copy numbers. Those before first
 * keep theirs. The messages of remembered (or NULL) had theirs in an earlier
 * state of the file: copies take them over in order, and what is known of kinds
 * that are gone, now or then, moves to table, which knew of none. Numbers of those
 * are not used again. *freshp is set to the number of messages that
 * remembered nothing of; *lastp, a message-number of remembered, becomes that
 * of the last message of table which stood there or before it.
 */
enum md_error uidl_assign(struct table *table, uint32_t first,
    struct table *remembered, uint32_t *freshp, uint32_t *lastp);

/*
 * Called before the messages marked as deleted leave the table: hands the
 * numbers used over to the copies that stay, or to table->gone.
 */
enum md_error uidl_retire(struct table *table);

#endif
