/*
 * A lot decides which kind of SCRAM keys a name without keys pretends to have,
 * weighted by how many users have each: then a kind says nothing of a name.
 * The kinds stand in an order of their own, so that the lots of few names fall
 * on another one when a user comes or goes. Runs as root in the auth child.
 */
#include "imitation.h"

#include <string.h>

#include "scram.h"

static int
compare(const struct imitated *kind, uint32_t iterations, size_t salt)
{
	if (kind->iterations != iterations)
		return kind->iterations < iterations ? -1 : 1;
	return (kind->salt > salt) - (kind->salt < salt);
}

/* Makes room for a kind where the order wants it. */
static struct imitated *
insert(struct imitation *imitation, struct imitated *place)
{
	const struct imitated *end = imitation->kinds + imitation->count;

	if (imitation->count == IMITATION_MAX)
		return NULL;
	memmove(place + 1, place, (size_t)(end - place) * sizeof(*place));
	imitation->count++;
	return place;
}

void
imitation_add(struct imitation *imitation, uint32_t iterations, size_t salt)
{
	struct imitated *kind = imitation->kinds, *end = kind + imitation->count;

	while (kind < end && compare(kind, iterations, salt) < 0)
		kind++;
	if (kind == end || compare(kind, iterations, salt) != 0) {
		kind = insert(imitation, kind);
		if (kind == NULL)
			return;
		*kind = (struct imitated){iterations, salt, 0};
	}
	kind->users++;
	imitation->users++;
}

struct imitated
imitation_draw(const struct imitation *imitation, uint32_t lot)
{
	const struct imitated *kind = imitation->kinds;
	uint64_t place = (lot * imitation->users) >> 32;

	if (imitation->users == 0)
		return (struct imitated){SCRAM_ITERATIONS, SCRAM_SALT_SIZE, 0};
	for (; place >= kind->users; kind++)
		place -= kind->users;
	return *kind;
}
