/*
 * Unique-ids. Runs inside the session.
 *
 * A kind is all messages with the same hashes. Kinds are looked up in an open
 * hash table of slots that lives only during a call. While numbers are given,
 * the messages of a kind that still wait for theirs are a list through their
 * epoch, in the order of the file, and a slot points to the first of them.
 * All of it is linear in the number of messages.
 *
 * Which copy is which cannot be told from octets, so it is remembered in the
 * order of the file. A crash between the cut of an UPDATE and the writing of
 * its index would shift that order; the messages that an UPDATE removes are
 * therefore marked MESSAGE_GOING in the index before the cut, and when fewer
 * copies are found than are remembered, those are taken as the ones missing: all
 * of them, for a cut is made or not, and what stands in their place came later.
 */
#include "uidl.h"

#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "xxh.h"

#define NO_MESSAGE UINT32_MAX

/*
 * Some hundred new messages among many that are known: nearly all look-ups find
 * a free slot at once, and the slots stay in the processor's first cache.
 */
#define SLOTS_OF_MANY 2048

_Static_assert(HASH_SIZE == 2 * sizeof(uint64_t), "two words a hash");

struct slot {
	uint32_t head;   /* a message of the kind; NO_MESSAGE: the slot is free */
	uint32_t unused; /* the lowest number that was never used */
	int32_t missing; /* messages remembered, less messages found */
	bool waiting;    /* head and its list wait for their numbers */
};

struct kinds {
	const struct message *messages;
	struct slot *slots;
	uint32_t *slot_of; /* of the messages that are lined up */
	size_t mask;
	/* drawn, so that no stranger can aim many kinds at one slot */
	uint64_t factors[4];
};

static void
kinds_clear(struct kinds *kinds)
{
	free(kinds->slots);
	free(kinds->slot_of);
}

/* Odd, and different each time. */
static void
draw_factors(struct kinds *kinds)
{
	const uint64_t seed[2] = {(uint64_t)disk_clock(),
	    (uintptr_t)kinds->messages};

	for (size_t i = 0; i < 4; i++)
		kinds->factors[i] = XXH3_64bits_withSeed(seed, sizeof(seed), i) | 1;
}

/* For count messages, among which others are to be looked up. */
static enum md_error
kinds_init(struct kinds *kinds, const struct message *messages, size_t count,
    size_t others)
{
	size_t size = 16;

	while (size < count + count / 2 || (size < others && size < SLOTS_OF_MANY))
		size *= 2;
	kinds->messages = messages;
	kinds->mask = size - 1;
	draw_factors(kinds);
	kinds->slots = calloc(size, sizeof(*kinds->slots));
	kinds->slot_of = calloc(count + 1, sizeof(*kinds->slot_of));
	if (kinds->slots == NULL || kinds->slot_of == NULL) {
		kinds_clear(kinds);
		return MD_NO_MEMORY;
	}
	for (size_t i = 0; i < size; i++)
		kinds->slots[i].head = NO_MESSAGE;
	return MD_OK;
}

/* The hashes are as good as random; where they lead to must not be foreseen. */
static size_t
place_of(const struct kinds *kinds, const struct message *message)
{
	const uint64_t *factors = kinds->factors;
	uint64_t header[2], body[2];

	memcpy(header, message->header, HASH_SIZE);
	memcpy(body, message->body, HASH_SIZE);
	return (size_t)((header[0] * factors[0] + header[1] * factors[1] +
	                    body[0] * factors[2] + body[1] * factors[3]) >>
	                32);
}

/* The slot of a message's kind, or the free one where it would be. */
static struct slot *
kinds_find(const struct kinds *kinds, const struct message *message)
{
	for (size_t i = place_of(kinds, message);; i++) {
		struct slot *slot = &kinds->slots[i & kinds->mask];

		if (slot->head == NO_MESSAGE ||
		    table_same_kind(&kinds->messages[slot->head], message))
			return slot;
	}
}

static char
hex_digit(unsigned value)
{
	return (char)(value + (value < 10 ? '0' : 'a' - 10));
}

/* Without a table the compiler does all sixteen at once. */
static void
put_hex(char *restrict dst, const unsigned char hash[HASH_SIZE])
{
	for (size_t i = 0; i < HASH_SIZE; i++) {
		dst[2 * i] = hex_digit(hash[i] >> 4);
		dst[2 * i + 1] = hex_digit(hash[i] & 15);
	}
}

size_t
uidl_format(const struct message *message, char uid[MD_UID_MAX + 1])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char *end = uid + 4 * HASH_SIZE, reversed[8];
	size_t n = 0;

	put_hex(uid, message->header);
	put_hex(uid + 2 * HASH_SIZE, message->body);
	if (message->copy != 0) {
		/* 36^5 copies have room, which no table holds */
		for (uint32_t copy = message->copy; copy > 0 && n < 5; copy /= 36)
			reversed[n++] = digits[copy % 36];
		*end++ = '.';
		while (n > 0)
			*end++ = reversed[--n];
	}
	*end = '\0';
	return (size_t)(end - uid);
}

/* Puts the messages from first on into slots, each kind a list in file order. */
static void
line_up(struct kinds *kinds, struct table *table, uint32_t first)
{
	for (uint32_t i = table->count; i-- > first;) {
		struct slot *slot = kinds_find(kinds, &table->messages[i]);

		kinds->slot_of[i - first] = (uint32_t)(slot - kinds->slots);
		table->messages[i].epoch = slot->head;
		slot->head = i;
		slot->waiting = true;
		slot->missing--;
	}
}

/* Notes the numbers that messages have or had; missed: they should be there. */
static void
learn(const struct kinds *kinds, const struct message *messages, uint32_t count,
    bool missed)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct message *known = &messages[i];
		struct slot *slot = kinds_find(kinds, known);
		uint32_t used = known->used > known->copy ? known->used
		                                          : known->copy;

		if (slot->head == NO_MESSAGE)
			continue;
		if (slot->unused <= used)
			slot->unused = used + 1;
		slot->missing += missed ? 1 : 0;
	}
}

/* The next waiting message of a kind gets a number. Returns its index. */
static uint32_t
give(struct table *table, struct slot *slot, uint32_t copy)
{
	uint32_t index = slot->head, next = table->messages[index].epoch;

	table->messages[index].copy = copy;
	table->messages[index].epoch = 0;
	slot->waiting = next != NO_MESSAGE;
	if (slot->waiting)
		slot->head = next;
	return index;
}

/* Gives remembered numbers; returns how many. */
static uint32_t
give_remembered(const struct kinds *kinds, struct table *table,
    const struct table *remembered, uint32_t *lastp)
{
	uint32_t given = 0, last = 0;

	for (uint32_t i = 0; i < remembered->count; i++) {
		const struct message *known = &remembered->messages[i];
		struct slot *slot = kinds_find(kinds, known);
		uint32_t index;

		if (slot->head == NO_MESSAGE || !slot->waiting)
			continue;
		if ((known->flags & MESSAGE_GOING) != 0 && slot->missing > 0)
			continue;
		index = give(table, slot, known->copy);
		given++;
		if (i < *lastp && index >= last)
			last = index + 1;
	}
	*lastp = last;
	return given;
}

/* Gives new numbers to those that still wait, and tells all the highest one. */
static void
give_rest(const struct kinds *kinds, struct table *table, uint32_t first)
{
	for (uint32_t i = first; i < table->count; i++) {
		struct slot *slot = &kinds->slots[kinds->slot_of[i - first]];

		if (slot->waiting && slot->head == i)
			give(table, slot, slot->unused++);
	}
	for (uint32_t i = first; i < table->count; i++) {
		const struct slot *slot = &kinds->slots[kinds->slot_of[i - first]];

		table->messages[i].used = slot->unused - 1;
	}
}

static bool
is_retiring(const struct message *message)
{
	return (message->flags & MESSAGE_DELETED) != 0 && message->used > 0;
}

/* Copies of a kind that stay take over what is known of its numbers. */
static void
hand_over(const struct kinds *kinds, struct table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct message *message = &table->messages[i];
		struct slot *slot = kinds_find(kinds, message);

		if (slot->head == NO_MESSAGE ||
		    (message->flags & MESSAGE_DELETED) != 0)
			continue;
		slot->waiting = false;
		if (message->used < slot->unused - 1)
			message->used = slot->unused - 1;
	}
}

static void
remember_gone(struct table *table, const struct message *message, uint32_t used)
{
	if (table->gone_count == TABLE_GONE_MAX) {
		table->gone_count--;
		memmove(table->gone, table->gone + 1,
		    table->gone_count * sizeof(*table->gone));
	}
	table->gone[table->gone_count] = *message;
	table->gone[table->gone_count].used = used;
	table->gone[table->gone_count].flags = 0;
	table->gone[table->gone_count].epoch = 0;
	table->gone_count++;
}

/* Kinds of which no copy stays are remembered for themselves. */
static enum md_error
bury(const struct kinds *kinds, struct table *table)
{
	struct message *gone;

	gone = reallocarray(table->gone, TABLE_GONE_MAX, sizeof(*gone));
	if (gone == NULL)
		return MD_NO_MEMORY;
	table->gone = gone;
	for (uint32_t i = 0; i < table->count; i++) {
		struct slot *slot;

		if (!is_retiring(&table->messages[i]))
			continue;
		slot = kinds_find(kinds, &table->messages[i]);
		if (slot->waiting)
			remember_gone(table, &table->messages[i], slot->unused - 1);
		slot->waiting = false;
	}
	return MD_OK;
}

enum md_error
uidl_retire(struct table *table)
{
	struct kinds kinds;
	uint32_t retiring = 0;
	enum md_error error;

	for (uint32_t i = 0; i < table->count; i++)
		retiring += is_retiring(&table->messages[i]);
	if (retiring == 0)
		return MD_OK;
	error = kinds_init(&kinds, table->messages, retiring, table->count);
	if (error != MD_OK)
		return error;
	for (uint32_t i = 0; i < table->count; i++) {
		struct slot *slot;

		if (!is_retiring(&table->messages[i]))
			continue;
		slot = kinds_find(&kinds, &table->messages[i]);
		slot->head = i;
		slot->waiting = true;
		if (slot->unused <= table->messages[i].used)
			slot->unused = table->messages[i].used + 1;
	}
	hand_over(&kinds, table);
	error = bury(&kinds, table);
	kinds_clear(&kinds);
	return error;
}

/*
 * Kinds that had copies and of which none is found: another program removed them,
 * or an UPDATE that did not come to write its index. Their numbers go where those
 * of an UPDATE go, and all that is known of such kinds goes over to the table.
 */
static enum md_error
retire_vanished(const struct kinds *kinds, struct table *remembered,
    struct table *table)
{
	enum md_error error;

	for (uint32_t i = 0; i < remembered->count; i++) {
		struct message *known = &remembered->messages[i];

		if (kinds_find(kinds, known)->head == NO_MESSAGE)
			known->flags |= MESSAGE_DELETED;
	}
	error = uidl_retire(remembered);
	table->gone = remembered->gone;
	table->gone_count = remembered->gone_count;
	remembered->gone = NULL;
	remembered->gone_count = 0;
	return error;
}

enum md_error
uidl_assign(struct table *table, uint32_t first, struct table *remembered,
    uint32_t *freshp, uint32_t *lastp)
{
	struct kinds kinds;
	enum md_error error;

	*freshp = table->count - first;
	error = kinds_init(&kinds, table->messages, table->count - first, first);
	if (error != MD_OK)
		return error;
	line_up(&kinds, table, first);
	learn(&kinds, table->messages, first, false);
	learn(&kinds, table->gone, table->gone_count, false);
	if (remembered != NULL) {
		learn(&kinds, remembered->gone, remembered->gone_count, false);
		learn(&kinds, remembered->messages, remembered->count, true);
		*freshp -= give_remembered(&kinds, table, remembered, lastp);
		error = retire_vanished(&kinds, remembered, table);
	}
	give_rest(&kinds, table, first);
	kinds_clear(&kinds);
	return error;
}
