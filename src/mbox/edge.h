/*
 * The edges of a cut: the octets just before it, and the tail behind the new
 * end of the file, which tell after a crash what state the maildrop is in.
 *
 * The tail is marked behind the last write to [from, end), synced with it, and
 * before the file is shortened: with a nonce of 16 octets at the start of the
 * first block behind the one that will hold the end. Where the nonce is, the
 * file was not shortened; what a deliverer appends cannot contain it. Where the
 * tail ends before a nonce fits, NULs over all of it are the mark: a delivery
 * begins with "From ".
 *
 * Why so: ftruncate(2) fills the rest of the last block with NULs, and file
 * systems may write that block before the new size is durable, so that only
 * NULs are the same before and after. The next block is freed by the
 * truncation and not written again until the new size is durable.
 */
#ifndef POPLAR_MBOX_EDGE_H
#define POPLAR_MBOX_EDGE_H

#include "journal.h"

/* Fills in head->before, by before_at, and head->tail from the maildrop. */
int edge_describe(struct ranger *ranger, int mbox, struct journal_head *head);

/* Writes the mark; not synced. */
int edge_mark(struct ranger *ranger, int mbox, const struct journal_head *head);

/* All tell by *yesp; 0, or -1 with errno. The file holds [0, head->size). */

/* Whether the octets before `from` are the ones described. */
int edge_same_before(struct ranger *ranger, int mbox,
    const struct journal_head *head, bool *yesp);

/* Whether the tail is the one described, marked, or marked in part. */
int edge_same_tail(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp);

/* Whether the mark is there; the file may be shorter than head->size. */
int edge_is_marked(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp);

/* The same, of a mark that may have been written in part. */
int edge_is_touched(struct ranger *ranger, int mbox,
    const struct journal_head *head, bool *yesp);

/* Where what is written in place and the mark end. */
off_t edge_far(const struct journal_head *head);

/* Whether a truncation at an offset is one change, with no block to fill up. */
bool edge_is_clean(off_t at);

/* Whether what lies behind the mark is the tail described. */
int edge_same_far(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp);

#endif
