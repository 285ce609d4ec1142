/*
 * The lives of a maildrop: see run.h.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mbox/journal.h"

struct life {
	struct world world;
	struct tally *tally;
	bool unsynced;    /* deliverers may leave their mail unsynced */
	bool copies;      /* some messages are the same */
	bool faulty;      /* calls fail instead */
	bool quiet;       /* a cut has come to its end, and no one died since */
	off_t from, size; /* of the last cut */
};

static uint64_t random_state;

static unsigned
at_random(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state >> 32) % n);
}

static bool
one_in(unsigned n)
{
	return sim.choose(n) == 0;
}

/* Lengths around the edges of sectors and blocks, and others. */
static size_t
some_length(void)
{
	static const size_t edges[] = {512, 1024, 4096, 4095, 4097, 8192};

	if (one_in(4))
		return edges[sim.choose(6)];
	return 5 + sim.choose(one_in(2) ? 60 : 1500);
}

static bool
may_be_unsynced(const struct life *life)
{
	for (size_t i = 0; i < life->world.count; i++) {
		if (life->world.parts[i].state == PART_TORN)
			return false;
	}
	return life->unsynced && one_in(3);
}

static void
deliver(struct life *life)
{
	bool synced = !may_be_unsynced(life);

	if (sim.file[SIM_MBOX].size > SIM_MAX / 2)
		return;
	world_deliver(&life->world, some_length(), life->copies && one_in(3),
	    synced);
	life->tally->delivered++;
}

/*
 * The one thing that is not promised: a power cut while the end is deleted on
 * a disk without space for a head may leave NULs there. It is left out.
 */
static void
power_cut(struct life *life)
{
	if (sim.bare)
		return;
	world_power_cut(&life->world);
	sim_power_cut();
	life->tally->cuts++;
}

/* A recovery, as at login. False: it lied, or left something wrong. */
static bool
recover(struct life *life, unsigned crash_at, bool *donep)
{
	enum md_recovery recovery;
	enum md_error error;

	sim_boot(true, crash_at);
	error = cut_recover(SIM_MBOX, SIM_JOURNAL, &recovery);
	life->tally->recoveries++;
	if (sim.dead || recovery == MD_RECOVERY_DONE)
		life->quiet = !sim.dead && error == MD_OK;
	*donep = !sim.dead && error == MD_OK;
	if (sim.dead)
		return true;
	if (error != MD_OK)
		return sim.faults > 0 || (sim.full && error == MD_PENDING);
	if (recovery == MD_RECOVERY_CONFLICT) {
		sim_set_aside();
		life->tally->conflicts++;
		if (!life->world.rewritten)
			return false;
	}
	life->tally->messages += life->world.count;
	return world_settle(&life->world);
}

/* Whether nothing is left to be done for a journal. */
static bool
is_over(void)
{
	const struct journal_head *head = sim_head();

	return head->sequence == 0 || head->phase == JOURNAL_DONE;
}

/* What the client was told, and what that promises. */
static bool
believe(struct life *life, enum md_error reply)
{
	if (sim.dead)
		return true;
	if (reply == MD_OK) {
		life->world.old = false;
		life->tally->confirmed++;
		return is_over();
	}
	if (reply == MD_IO)
		return sim.faults > 0;
	life->world.new = false;
	return reply == MD_NO_SPACE && (sim.full || sim.faults > 0) &&
	       sim_head()->sequence == 0;
}

/* Twice what is kept, and little more, where there is room for a journal. */
static bool
is_cheap(const struct cut *cut, uint64_t written)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < cut->count; i++)
		kept += (uint64_t)(cut->keep[i].end - cut->keep[i].start);
	return sim.full || sim.faults > 0 || written <= kept * 21 / 10 + 16384;
}

/* Has one call of the next process fail, or all from there on. */
static void
spoil(const struct life *life)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};

	sim.fault = FAULT_NEVER;
	if (!life->faulty || one_in(3))
		return;
	sim.fault = one_in(2) ? FAULT_ONCE : FAULT_FOR_GOOD;
	sim.fault_at = 1 + sim.choose(one_in(2) ? 20 : 40);
	sim.fault_errno = errors[sim.choose(3)];
}

static bool
quit(struct life *life, unsigned crash_at)
{
	struct span spans[WORLD_PARTS];
	struct cut cut = world_cut(&life->world, spans);
	uint64_t written = sim.written;
	enum md_error reply;

	life->from = cut.from;
	life->size = cut.size;
	life->quiet = false;
	life->world.new = true;
	spoil(life);
	if (sim.fault == FAULT_ONCE && one_in(2))
		crash_at = sim.fault_at + 1 + sim.choose(4);
	sim_boot(false, crash_at);
	reply = cut_commit(&cut);
	if (!believe(life, reply))
		return false;
	/* the client knows; now and then the session dies of that */
	if (!sim.dead && reply == MD_OK && !one_in(4))
		life->quiet = cut_tidy(SIM_JOURNAL) == 0;
	sim.fault = FAULT_NEVER;
	life->tally->sessions++;
	life->tally->deaths += sim.dead;
	life->tally->faults += sim.faults;
	return is_cheap(&cut, sim.written - written);
}

static bool
mark_some(struct world *world)
{
	bool any = false;

	for (size_t i = 0; i < world->count; i++) {
		world->parts[i].gone = one_in(3);
		any = any || world->parts[i].gone;
	}
	return any;
}

static bool
has_nul(uint64_t at)
{
	const struct sim_file *file = &sim.file[SIM_MBOX];

	for (uint64_t end = at + 16; at < end && at < (uint64_t)file->size; at++) {
		if (file->now[at] == 0)
			return true;
	}
	return false;
}

/* A shift that moves what is alike over the tail: NULs, or its own length. */
static bool
is_unlucky(void)
{
	const struct journal_head *head = sim_head();

	return has_nul(head->end > 16 ? head->end - 16 : 0) ||
	       has_nul(head->size) || head->size - head->end == EDIT_LENGTH;
}

/*
 * Once, and not where one message looks like another: a shift by the length
 * of a tail would then change nothing that the journal knows of.
 */
static void
rewrite(struct life *life)
{
	unsigned size = (unsigned)sim.file[SIM_MBOX].size,
	         limit = (unsigned)life->size;
	unsigned from = (unsigned)life->from, near = from < 4096 ? from : 4096;
	enum world_edit edit = sim.choose(EDITS);
	size_t at;

	if (limit > size)
		limit = size;
	if (limit == 0 || life->copies || life->world.rewritten || is_unlucky() ||
	    (edit == EDIT_FLIP && (near == 0 || from > size)))
		return;
	at = edit == EDIT_FLIP ? from - 1 - sim.choose(near) : sim.choose(limit);
	world_rewrite(&life->world, at, edit);
	life->world.rewritten = !life->quiet;
	life->tally->rewrites++;
}

/* Between a death and the next login. */
static void
meanwhile(struct life *life)
{
	if (one_in(2))
		power_cut(life);
	while (one_in(3))
		deliver(life);
	if (one_in(12))
		rewrite(life);
	if (life->faulty && one_in(3))
		sim_evict();
	if (one_in(4))
		power_cut(life);
}

/* Crashes until a recovery comes to its end. */
static bool
come_back(struct life *life)
{
	bool done = false;

	for (unsigned tries = sim.choose(6); tries > 0 && !done; tries--) {
		meanwhile(life);
		spoil(life);
		if (!recover(life, one_in(3) ? 0 : 1 + sim.choose(40), &done))
			return false;
		sim.fault = FAULT_NEVER;
	}
	if (done)
		return true;
	sim.full = false;
	meanwhile(life);
	return recover(life, 0, &done) && done;
}

static bool
one_session(struct life *life)
{
	bool done;

	while (one_in(3))
		deliver(life);
	if (!recover(life, 0, &done) || !done)
		return false;
	cut_prepare(SIM_JOURNAL);
	sim.full = one_in(4);
	if (!mark_some(&life->world))
		return true;
	return quit(life, one_in(4) ? 0
	                            : 1 + sim.choose(one_in(8)   ? 300
	                                             : one_in(3) ? 8
	                                                         : 40)) &&
	       come_back(life);
}

static void
begin(struct life *life, uint64_t seed, struct tally *tally)
{
	random_state = seed * 0x9e3779b97f4a7c15 + 1;
	sim.choose = at_random;
	at_random(1);
	at_random(1);
	sim_reset();
	sim.full = false;
	sim.block = 512 << sim.choose(4);
	world_start(&life->world);
	life->tally = tally;
	life->copies = one_in(2);
	life->quiet = false;
	tally->runs++;
	for (unsigned count = 1 + sim.choose(7); count > 0; count--)
		world_deliver(&life->world, some_length(),
		    life->copies && one_in(3), true);
}

bool
run_random(uint64_t seed, bool faulty, struct tally *tally)
{
	static struct life life;
	bool good = true;

	begin(&life, seed, tally);
	life.faulty = faulty;
	life.unsynced = !faulty;
	for (unsigned sessions = 1 + sim.choose(3); sessions > 0 && good;
	     sessions--)
		good = one_session(&life);
	tally->bad += !good;
	return good;
}
