/*
 * The right contents of the maildrop: see world.h.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* NULs that a truncation may leave in the place of an unsure message. */
#define SLACK 4200

void
world_start(struct world *world)
{
	world->count = 0;
	world->used = 0;
	world->old = true;
	world->new = false;
	world->rewritten = false;
}

static unsigned char *
keep(struct world *world, const void *octets, size_t length)
{
	unsigned char *copy = world->arena + world->used;

	if (length > sizeof(world->arena) - world->used)
		abort();
	if (octets != NULL)
		memcpy(copy, octets, length);
	world->used += length;
	return copy;
}

static void
add(struct world *world, const unsigned char *octets, size_t length)
{
	if (world->count == WORLD_PARTS)
		abort();
	world->parts[world->count++] = (struct world_part){.octets = octets,
	    .length = length,
	    .syncs = sim.file[SIM_MBOX].syncs};
}

/* Text that is not twice the same; now and then NULs in it. */
static void
make_text(unsigned char *octets, size_t length)
{
	static uint32_t state = 1;
	size_t nuls = length, step = 1 + length / 8;

	state = state * 1664525 + 1013904223;
	if (state >> 28 == 0)
		nuls = length / 2;
	for (size_t i = 0; i < length; i++) {
		state = state * 1664525 + 1013904223;
		octets[i] = i >= nuls && i < nuls + step
		                ? 0
		                : (unsigned char)(32 + (state >> 24) % 95);
	}
	memcpy(octets, "From ", length < 5 ? length : 5);
}

void
world_deliver(struct world *world, size_t length, bool copy, bool synced)
{
	const struct world_part *parts = world->parts;
	size_t last = world->count - 1;
	unsigned char *octets;

	if (copy && world->count > 0 && parts[last].octets[0] == 'F') {
		length = parts[last].length;
		octets = keep(world, parts[last].octets, length);
	} else {
		octets = keep(world, NULL, length);
		make_text(octets, length);
	}
	add(world, octets, length);
	world->parts[world->count - 1].state = synced ? PART_SURE : PART_UNSURE;
	sim_append(octets, length, synced);
}

struct cut
world_cut(const struct world *world, struct span *spans)
{
	struct cut cut = {.mbox = SIM_MBOX, .journal = SIM_JOURNAL, .keep = spans};
	off_t at = 0;
	bool begun = false;

	for (size_t i = 0; i < world->count; i++) {
		const struct world_part *part = &world->parts[i];

		if (part->gone && !begun)
			cut.from = at;
		begun = begun || part->gone;
		if (begun && !part->gone)
			spans[cut.count++] = (struct span){at,
			    at + (off_t)part->length};
		at += (off_t)part->length;
	}
	cut.size = at;
	return cut;
}

/* Any sync of the maildrop since has made it sure. */
static void
look(struct world_part *part)
{
	if (part->state == PART_UNSURE && sim.file[SIM_MBOX].syncs > part->syncs)
		part->state = PART_SURE;
}

void
world_power_cut(struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		look(&world->parts[i]);
		if (world->parts[i].state == PART_UNSURE)
			world->parts[i].state = PART_TORN;
	}
}

static const char status[EDIT_LENGTH + 1] = "Status: RO\n";

static size_t
insert(unsigned char *octets, size_t size, size_t at)
{
	memmove(octets + at + EDIT_LENGTH, octets + at, size - at);
	memcpy(octets + at, status, EDIT_LENGTH);
	return size + EDIT_LENGTH;
}

static size_t
take_out(unsigned char *octets, size_t size, size_t at)
{
	size_t length = size - at < EDIT_LENGTH ? size - at : EDIT_LENGTH;

	memmove(octets + at, octets + at + length, size - at - length);
	return size - length;
}

static size_t
flip(unsigned char *octets, size_t size, size_t at)
{
	octets[at] ^= 1;
	return size;
}

void
world_rewrite(struct world *world, size_t at, enum world_edit edit)
{
	static size_t (*const edits[EDITS])(unsigned char *, size_t, size_t) =
	    {[EDIT_INSERT] = insert, [EDIT_REMOVE] = take_out, [EDIT_FLIP] = flip};
	size_t size = (size_t)sim.file[SIM_MBOX].size;
	unsigned char *octets = keep(world, NULL, size + sizeof(status));

	memcpy(octets, sim.file[SIM_MBOX].now, size);
	size = edits[edit](octets, size, at);
	world->count = 0;
	add(world, octets, size);
	world->old = true;
	world->new = false;
	world->rewritten = true;
	sim_rewrite(octets, size);
}

/* A content that is right, compared with the maildrop. */
struct match {
	const unsigned char *octets;
	size_t size;
	size_t head, tail; /* octets in front of what was torn, and behind */
	size_t torn, skip;
};

static bool
is_in(const struct world_part *part, bool new)
{
	return !(new && part->gone);
}

static void
measure(const struct world *world, bool new, struct match *match)
{
	size_t *length = &match->head;

	for (size_t i = 0; i < world->count; i++) {
		const struct world_part *part = &world->parts[i];

		if (!is_in(part, new))
			continue;
		if (part->state == PART_TORN) {
			match->torn += part->length;
			length = &match->tail;
		} else
			*length += part->length;
	}
}

/*
 * Of a torn message each octet is right or NUL; NULs may follow. First NULs
 * may be missing, `skip` of them: they looked like a mark.
 */
static bool
is_torn(const struct match *match, size_t begin, const struct world_part *part)
{
	size_t end = match->size - match->tail;

	for (size_t i = 0; i < part->length; i++) {
		size_t at = match->head + begin + i - match->skip;

		if (begin + i < match->skip || at >= end)
			continue;
		if (match->octets[at] != 0 && match->octets[at] != part->octets[i])
			return false;
	}
	return true;
}

static bool
is_nul(const struct match *match, size_t at)
{
	for (; at < match->size - match->tail; at++) {
		if (match->octets[at] != 0)
			return false;
	}
	return true;
}

static bool
compare(const struct world *world, bool new, const struct match *match)
{
	size_t before = 0, torn = 0, at;

	for (size_t i = 0; i < world->count; i++) {
		const struct world_part *part = &world->parts[i];

		if (!is_in(part, new))
			continue;
		if (part->state == PART_TORN) {
			if (!is_torn(match, torn, part))
				return false;
			torn += part->length;
			continue;
		}
		at = before < match->head
		         ? before
		         : match->size - match->tail + before - match->head;
		if (memcmp(match->octets + at, part->octets, part->length) != 0)
			return false;
		before += part->length;
	}
	return is_nul(match, match->head + torn - match->skip);
}

static bool
matches(const struct world *world, bool new, struct match *match)
{
	size_t limit;

	*match = (struct match){.octets = sim.file[SIM_MBOX].now,
	    .size = (size_t)sim.file[SIM_MBOX].size};
	measure(world, new, match);
	limit = match->torn == 0 ? 0 : match->torn > SLACK ? match->torn : SLACK;
	if (match->size < match->head + match->tail ||
	    match->size > match->head + match->tail + limit)
		return false;
	for (; match->skip <= limit && match->skip <= match->torn; match->skip++) {
		if (compare(world, new, match))
			return true;
	}
	return false;
}

/* What is left of the torn messages becomes one message. */
static void
adopt(struct world *world, bool new, const struct match *match)
{
	size_t count = world->count, rest = match->size - match->head - match->tail;

	world->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct world_part part = world->parts[i];

		if (!is_in(&part, new))
			continue;
		look(&part);
		if (part.state == PART_TORN) {
			part.octets = keep(world, match->octets + match->head,
			    rest);
			part.length = rest;
			part.state = PART_SURE;
			rest = 0;
		}
		part.gone = false;
		if (part.length > 0)
			world->parts[world->count++] = part;
	}
}

bool
world_settle(struct world *world)
{
	struct match match;
	bool new;

	if (world->old && matches(world, false, &match))
		new = false;
	else if (world->new &&matches(world, true, &match))
		new = true;
	else
		return false;
	adopt(world, new, &match);
	world->old = true;
	world->new = false;
	/* a truncation alone, of which nobody was told, could still be undone */
	if (new &&sim.file[SIM_MBOX].size % 4096 == 0)
		sim_write_back();
	return true;
}
