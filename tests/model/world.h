/*
 * What ought to be in the maildrop: the messages, in order, each known to the
 * octet. While a cut is under way two contents are right, with the messages
 * that go (old) and without them (new).
 */
#ifndef POPLAR_MODEL_WORLD_H
#define POPLAR_MODEL_WORLD_H

#include "sim.h"

#include "mbox/cut.h"

#define WORLD_PARTS 64

enum world_state {
	PART_SURE,   /* on the disk, or read by a client who was told so */
	PART_UNSURE, /* a deliverer did not sync it; nor did anyone since */
	PART_TORN    /* and then the power failed */
};

struct world_part {
	const unsigned char *octets;
	size_t length;
	enum world_state state;
	unsigned syncs; /* of the maildrop before it was written */
	bool gone;      /* what the cut takes out */
};

struct world {
	struct world_part parts[WORLD_PARTS];
	size_t count;
	bool old, new;  /* which contents are right */
	bool rewritten; /* by a mail reader: a conflict is right too */
	size_t used;    /* octets of the arena */
	unsigned char arena[4 * SIM_MAX];
};

void world_start(struct world *world);

/* A message of a length, or a copy of the last one; appended to the maildrop. */
void world_deliver(struct world *world, size_t length, bool copy, bool synced);

/* The cut that takes out what is gone; spans holds WORLD_PARTS. */
struct cut world_cut(const struct world *world, struct span *spans);

/* The power fails: what is unsure may be lost from now on. */
void world_power_cut(struct world *world);

/* What an edit puts in or takes out, in octets. */
#define EDIT_LENGTH 11

enum world_edit { EDIT_INSERT, EDIT_REMOVE, EDIT_FLIP, EDITS };

/* A mail reader edits some octets at an offset, and writes the file anew. */
void world_rewrite(struct world *world, size_t at, enum world_edit edit);

/* Whether the maildrop is as it should be; then that is what it is. */
bool world_settle(struct world *world);

#endif
