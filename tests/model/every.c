/*
 * All lives of a small maildrop: each choice that is made in one is made
 * differently in another, until none is left. See run.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "run.h"

#define CHOICES 1024

/* The choices of this life; the last one that can still change, changes. */
static struct {
	unsigned value[CHOICES], limit[CHOICES];
	unsigned made, known;
} path;

static unsigned
in_turn(unsigned n)
{
	unsigned at = path.made++;

	if (at == CHOICES)
		abort();
	if (at >= path.known) {
		path.value[at] = 0;
		path.limit[at] = n;
		path.known = at + 1;
	}
	return path.value[at];
}

static bool
next_life(void)
{
	path.known = path.made;
	while (path.known > 0 &&
	       path.value[path.known - 1] + 1 == path.limit[path.known - 1])
		path.known--;
	path.made = 0;
	if (path.known == 0)
		return false;
	path.value[path.known - 1]++;
	return true;
}

static bool
login(struct world *world, bool may_crash, struct tally *tally)
{
	enum md_recovery recovery;
	enum md_error error;

	sim_boot(true, 0);
	sim.crash_chosen = may_crash;
	error = cut_recover(SIM_MBOX, SIM_JOURNAL, &recovery);
	tally->recoveries++;
	tally->deaths += sim.dead;
	if (sim.dead)
		return true;
	if (error != MD_OK)
		return sim.full && error == MD_PENDING;
	tally->messages += world->count;
	return recovery != MD_RECOVERY_CONFLICT && world_settle(world);
}

static bool
quit(struct world *world, const struct every *every, struct tally *tally)
{
	struct span spans[WORLD_PARTS];
	struct cut cut;
	enum md_error reply;

	for (unsigned i = 0; i < 3; i++)
		world->parts[i].gone = (every->mask >> i & 1) != 0;
	cut = world_cut(world, spans);
	world->new = true;
	if (every->faulty) {
		sim.fault = FAULT_ONCE;
		sim.fault_at = 1 + sim.choose(24);
		sim.fault_errno = ENOSPC;
	}
	sim_boot(false, 0);
	sim.crash_chosen = true;
	reply = cut_commit(&cut);
	tally->sessions++;
	if (sim.dead || (sim.faults > 0 && reply == MD_IO)) {
		tally->deaths += sim.dead;
		sim.fault = FAULT_NEVER;
		return true;
	}
	world->old = reply != MD_OK;
	world->new = reply == MD_OK;
	if (reply == MD_OK)
		cut_tidy(SIM_JOURNAL);
	tally->deaths += sim.dead;
	sim.fault = FAULT_NEVER;
	tally->confirmed += reply == MD_OK;
	return reply == MD_OK ||
	       ((sim.full || sim.faults > 0) && reply == MD_NO_SPACE);
}

static void
maybe_cut(struct world *world, struct tally *tally)
{
	if (sim.bare || sim.choose(2) == 0)
		return;
	world_power_cut(world);
	sim_power_cut();
	tally->cuts++;
}

static bool
live(const struct every *every, struct tally *tally)
{
	static struct world world;

	sim_reset();
	sim.block = 4096;
	world_start(&world);
	for (unsigned i = 0; i < 3; i++)
		world_deliver(&world, every->length[i], false, true);
	cut_prepare(SIM_JOURNAL);
	sim.full = every->full;
	if (!quit(&world, every, tally))
		return false;
	maybe_cut(&world, tally);
	if (sim.choose(2) == 1)
		world_deliver(&world, 30, false, true);
	if (!every->faulty && !login(&world, true, tally))
		return false;
	maybe_cut(&world, tally);
	sim.full = false;
	if (!login(&world, false, tally))
		return false;
	maybe_cut(&world, tally);
	return login(&world, false, tally);
}

void
run_every(const struct every *every, struct tally *tally)
{
	path.made = path.known = 0;
	sim.choose = in_turn;
	do {
		tally->runs++;
		tally->bad += !live(every, tally);
	} while (next_life() && (sim.weak == SITE_NONE || tally->bad == 0));
}
