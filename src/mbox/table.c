/*
 * The message table. Runs inside the session. Grows by half of its size, so
 * that a message costs little more than its record.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_ROOM 16
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

uint64_t
table_next(const struct table *table, uint32_t index)
{
	return index + 1 < table->count ? table_at(table, index + 1)->start
	                                : table->end;
}

uint64_t
table_end(const struct table *table, uint32_t index)
{
	return table_next(table, index) -
	       (table_at(table, index)->flags & MESSAGE_SEPARATOR);
}

/* Huge pages for what fills them. Without them it only takes longer. */
static void
advise(const void *memory, size_t size)
{
	const size_t skip = -(uintptr_t)memory % HUGE_PAGE;

	if (size >= skip + HUGE_PAGE)
		(void)madvise((char *)(uintptr_t)memory + skip,
		    (size - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
}

enum md_error
table_reserve(struct table *table, uint32_t room)
{
	const size_t size = room * sizeof(*table->messages);

	if (size < HUGE_PAGE)
		table->messages = malloc(size);
	else
		table->messages = aligned_alloc(HUGE_PAGE,
		    (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
	if (table->messages == NULL)
		return MD_NO_MEMORY;
	advise(table->messages, size);
	table->room = room;
	return MD_OK;
}

static enum md_error
grow(struct table *table)
{
	uint64_t room = table->room + table->room / 2 + FIRST_ROOM;
	struct message *more;

	if (room > UINT32_MAX)
		return MD_TOO_BIG;
	more = reallocarray(table->messages, room, sizeof(*more));
	if (more == NULL)
		return MD_NO_MEMORY;
	advise(more, room * sizeof(*more));
	table->messages = more;
	table->room = (uint32_t)room;
	return MD_OK;
}

enum md_error
table_add(struct table *table, const struct scan_message *found)
{
	struct message *message;
	enum md_error error;

	if (table->count - table->first == table->room &&
	    (error = grow(table)) != MD_OK)
		return error;
	message = table_at(table, table->count++);
	*message = (struct message){
	    .start = found->start,
	    .octets = found->octets,
	    .flags = (uint32_t)(found->next - found->end),
	};
	memcpy(message->header, found->header, HASH_SIZE);
	memcpy(message->body, found->body, HASH_SIZE);
	table->end = found->next;
	table->octets += found->octets;
	return MD_OK;
}

bool
table_is(const struct table *table, uint32_t index,
    const struct scan_message *found)
{
	const struct message *message = table_at(table, index);

	return message->start == found->start && message->octets == found->octets &&
	       table_end(table, index) == found->end &&
	       memcmp(message->header, found->header, HASH_SIZE) == 0 &&
	       memcmp(message->body, found->body, HASH_SIZE) == 0;
}

bool
table_has_copies(const struct table *table, uint32_t from)
{
	for (uint32_t i = from; i < table->count; i++) {
		if (table_at(table, i)->used > 0)
			return true;
	}
	return false;
}

bool
table_same_kind(const struct message *a, const struct message *b)
{
	return memcmp(a->body, b->body, HASH_SIZE) == 0 &&
	       memcmp(a->header, b->header, HASH_SIZE) == 0;
}

void
table_clear(struct table *table)
{
	free(table->messages);
	free(table->gone);
	*table = (struct table){0};
}
