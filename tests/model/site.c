/*
 * Which sync of the code under test is which: told by what the process wrote
 * last, and by the head in the journal.
 */
#include <string.h>

#include "mbox/journal.h"
#include "sim.h"

static const char *const names[WEAKNESSES] = {
    [SITE_NONE] = "nothing",
    [SITE_PLAN] = "the sync of the maildrop before a head speaks of it",
    [SITE_COPY] = "the sync of what was copied and of the mark",
    [SITE_CHUNK] = "the sync of a chunk",
    [SITE_MARK] = "the sync of the mark behind the last chunk",
    [SITE_DROP] = "the sync of the mark where nothing is kept",
    [SITE_SHORTEN] = "the sync of the shortened maildrop",
    [SITE_CLOSE] = "the sync of a maildrop found shortened",
    [SITE_FIRST] = "the sync of the journal before a head without body",
    [SITE_CLEAR] = "the sync of a journal that is to be emptied",
    [SITE_BODY] = "the sync of the journal's body",
    [SITE_HEAD_COPY] = "the sync of the head that commits",
    [SITE_HEAD_MOVE] = "the sync of the head of a plan and its progress",
    [SITE_HEAD_DROP] = "the sync of the head where nothing is kept",
    [SITE_HEAD_CUT] = "the sync of the head before the maildrop is shortened",
    [SITE_HEAD_AGAIN] = "the sync of the head that recovery writes again",
    [SITE_HEAD_DONE] = "the sync of the head that ends a journal",
    [WEAK_ONE_SLOT] = "the second slot",
    [WEAK_NO_MARK] = "the mark",
    [WEAK_NO_HEAD_CUT] = "the head before the maildrop is shortened",
};

const char *
sim_name(enum sim_site site)
{
	return names[site];
}

const struct journal_head *
sim_head(void)
{
	static struct journal_head heads[2];
	const struct sim_file *file = &sim.file[SIM_JOURNAL];
	size_t size = file->size < JOURNAL_BODY ? (size_t)file->size : JOURNAL_BODY;

	memset(heads, 0, sizeof(heads));
	memcpy(heads, file->now, size);
	return &heads[heads[1].sequence > heads[0].sequence ? 1 : 0];
}

static enum sim_site
site_of_mbox(const struct sim_file *file)
{
	const struct sim_op *last = &file->ops[file->count - 1];
	const struct journal_head *head = sim_head();

	if (file->own_ops == 0 && sim.recovering &&
	    !sim.file[SIM_JOURNAL].own_writes)
		return SITE_CLOSE;
	if (file->own_ops == 0)
		return SITE_PLAN;
	if (last->truncates)
		return SITE_SHORTEN;
	if (head->phase == JOURNAL_DROP)
		return SITE_DROP;
	if (head->phase == JOURNAL_COPY)
		return SITE_COPY;
	return last->at >= (off_t)head->end ? SITE_MARK : SITE_CHUNK;
}

static enum sim_site
site_of_journal(const struct sim_file *file)
{
	static const enum sim_site heads[JOURNAL_PHASES] = {
	    [JOURNAL_COPY] = SITE_HEAD_COPY,
	    [JOURNAL_MOVE] = SITE_HEAD_MOVE,
	    [JOURNAL_CUT] = SITE_HEAD_CUT,
	    [JOURNAL_DROP] = SITE_HEAD_DROP,
	    [JOURNAL_DONE] = SITE_HEAD_DONE,
	};
	const struct sim_op *last = &file->ops[file->count - 1];

	if (file->own_ops == 0)
		return sim.recovering ? SITE_CLEAR : SITE_FIRST;
	if (last->truncates || last->at >= JOURNAL_BODY)
		return SITE_BODY;
	if (!sim.recovering || sim.again || sim_head()->phase == JOURNAL_DONE)
		return heads[sim_head()->phase];
	sim.again = true;
	return SITE_HEAD_AGAIN;
}

enum sim_site
sim_site(int fd)
{
	const struct sim_file *file = &sim.file[fd];

	return fd == SIM_MBOX ? site_of_mbox(file) : site_of_journal(file);
}

static bool
is_mark(off_t at)
{
	const struct journal_head *head = sim_head();

	if (head->sequence == 0 || at < (off_t)head->end)
		return false;
	return head->phase != JOURNAL_MOVE || head->moved == head->end - head->from;
}

bool
sim_leaves_out(int fd, const void *data, off_t at)
{
	uint32_t phase;

	if (sim.weak == WEAK_NO_MARK)
		return fd == SIM_MBOX && is_mark(at);
	if (sim.weak != WEAK_NO_HEAD_CUT || fd != SIM_JOURNAL || at >= JOURNAL_BODY)
		return false;
	memcpy(&phase, (const char *)data + offsetof(struct journal_head, phase),
	    sizeof(phase));
	return phase == JOURNAL_CUT;
}
