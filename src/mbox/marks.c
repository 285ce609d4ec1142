/*
 * What the commands ask of an open maildrop, and what they mark in it. Runs
 * inside the session. Nothing here touches a file; the caller has checked
 * each message-number.
 */
#include "maildrop.h"

#include "state.h"
#include "uidl.h"

void
maildrop_stats(const struct maildrop *md, struct md_stats *statsp)
{
	*statsp = md->stats;
}

uint32_t
maildrop_count(const struct maildrop *md)
{
	return md->table.count;
}

uint32_t
maildrop_live(const struct maildrop *md)
{
	return md->live;
}

uint64_t
maildrop_octets(const struct maildrop *md)
{
	return md->octets;
}

uint64_t
maildrop_size(const struct maildrop *md, uint32_t number)
{
	return md->table.messages[number - 1].octets;
}

size_t
maildrop_uid(const struct maildrop *md, uint32_t number, char uid[MD_UID_MAX + 1])
{
	return uidl_format(&md->table.messages[number - 1], uid);
}

bool
maildrop_is_deleted(const struct maildrop *md, uint32_t number)
{
	return (md->table.messages[number - 1].flags & MESSAGE_DELETED) != 0;
}

enum md_error
maildrop_delete(struct maildrop *md, uint32_t number)
{
	struct message *message = &md->table.messages[number - 1];

	if (!md->fds.writable)
		return MD_READ_ONLY;
	if ((message->flags & MESSAGE_DELETED) == 0) {
		message->flags |= MESSAGE_DELETED;
		md->live--;
		md->octets -= message->octets;
	}
	return MD_OK;
}

void
maildrop_undelete_all(struct maildrop *md)
{
	/* mostly none is marked, and the table may be large */
	if (md->live == md->table.count)
		return;
	for (uint32_t i = md->table.first; i < md->table.count; i++)
		table_at(&md->table, i)->flags &= ~MESSAGE_DELETED;
	md->live = md->table.count;
	md->octets = md->table.octets;
}

void
maildrop_set_last(struct maildrop *md, uint32_t number)
{
	md->last = number;
}
