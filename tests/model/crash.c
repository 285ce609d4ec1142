/*
 * What is on the disk after the power failed: a choice of what may be there.
 */
#include <string.h>

#include "mbox/journal.h"
#include "sim.h"

#define SECTOR 512

/* One sector while its content after the crash is found out. */
struct sector {
	const struct sim_file *file;
	off_t at;
	size_t durable; /* changes whose size is on the disk */
	unsigned char octets[SECTOR];
	const struct sim_op *pending[SIM_OPS];
	unsigned count;
};

static off_t
block_end(off_t at)
{
	return (at + sim.block - 1) / sim.block * sim.block;
}

static bool
shrinks(const struct sim_op *op)
{
	return op->truncates && op->size < op->before;
}

/* Whether a change reaches into a sector; a truncation fills up its block. */
static bool
touches(const struct sim_op *op, off_t at)
{
	if (op->truncates)
		return shrinks(op) && op->size < at + SECTOR &&
		       at < block_end(op->size);
	return op->at < at + SECTOR && at < op->at + (off_t)op->len;
}

/* Does the part of a change that falls into a sector. */
static void
change_sector(const struct sim_file *file, const struct sim_op *op, off_t at,
    unsigned char *octets)
{
	off_t from = op->at > at ? op->at : at, to = at + SECTOR;

	if (op->truncates) {
		memset(octets + (from - at), 0, (size_t)(to - from));
		return;
	}
	if (op->at + (off_t)op->len < to)
		to = op->at + (off_t)op->len;
	memcpy(octets + (from - at), file->arena + op->data + (from - op->at),
	    (size_t)(to - from));
}

/* Not the zeros that take a head back. */
static bool
is_head(const struct sector *sector)
{
	const struct sim_op *op = sector->pending[0];

	return !op->truncates && sector->file->arena[op->data] != 0;
}

/* Heads may be torn within their sector, once there is one to fall back on. */
static bool
may_tear(const struct sector *sector)
{
	static const unsigned char none[JOURNAL_BODY];

	return sector->file == &sim.file[SIM_JOURNAL] &&
	       sector->at < JOURNAL_BODY && sector->count > 0 && is_head(sector) &&
	       sector->file->disk_size >= JOURNAL_BODY &&
	       memcmp(sector->file->disk, none, sizeof(none)) != 0;
}

static void
tear(struct sector *sector)
{
	unsigned char whole[SECTOR];
	unsigned half = sim.choose(2) * 200 + 100;

	memcpy(whole, sector->octets, SECTOR);
	change_sector(sector->file, sector->pending[0], sector->at, whole);
	memcpy(sector->octets, whole, half);
}

/* One of the versions that the sector has had. */
static void
settle_version(struct sector *sector)
{
	unsigned torn = may_tear(sector) ? 1 : 0;
	unsigned version = sim.choose(sector->count + 1 + torn);

	if (version == sector->count + 1)
		tear(sector);
	else
		for (unsigned i = 0; i < version; i++)
			change_sector(sector->file, sector->pending[i], sector->at,
			    sector->octets);
	sector->count = 0;
}

/* Behind a truncation that is lost, blocks get no new content. */
static bool
is_cut_off(const struct sector *sector, size_t index)
{
	const struct sim_file *file = sector->file;

	for (size_t i = sector->durable; i < index; i++) {
		if (shrinks(&file->ops[i]) &&
		    sector->at >= block_end(file->ops[i].size))
			return true;
	}
	return false;
}

static void
next_change(struct sector *sector, size_t index)
{
	const struct sim_op *op = &sector->file->ops[index];

	if (shrinks(op) && index < sector->durable &&
	    op->size < sector->at + SECTOR) {
		settle_version(sector);
		if (sector->at >= block_end(op->size))
			memset(sector->octets, 0, SECTOR);
		else
			change_sector(sector->file, op, sector->at, sector->octets);
	} else if (touches(op, sector->at) && !is_cut_off(sector, index))
		sector->pending[sector->count++] = op;
}

static void
settle_sector(struct sim_file *file, off_t at, size_t durable, off_t size)
{
	struct sector sector = {.file = file, .at = at, .durable = durable};
	off_t left = file->disk_size - at;

	if (left > 0)
		memcpy(sector.octets, file->disk + at,
		    left < SECTOR ? (size_t)left : SECTOR);
	for (size_t i = 0; i < file->count; i++)
		next_change(&sector, i);
	if (sector.count > 0)
		settle_version(&sector);
	left = size - at < SECTOR ? size - at : SECTOR;
	memcpy(file->now + at, sector.octets, (size_t)left);
}

/* How many of the changes to the size are on the disk. */
static size_t
choose_durable(const struct sim_file *file)
{
	unsigned sizes = 0, chosen;
	size_t i = 0;

	for (size_t j = 0; j < file->count; j++)
		sizes += file->ops[j].size != file->ops[j].before;
	if (sizes == 0)
		return file->count;
	for (chosen = sim.choose(sizes + 1); i < file->count; i++) {
		if (file->ops[i].size == file->ops[i].before)
			continue;
		if (chosen == 0)
			break;
		chosen--;
	}
	return i;
}

static void
cut_file(struct sim_file *file)
{
	size_t durable = choose_durable(file);
	off_t size = file->disk_size;

	for (size_t i = 0; i < durable; i++)
		size = file->ops[i].size != file->ops[i].before ? file->ops[i].size
		                                                : size;
	for (off_t at = 0; file->count > 0 && at < size; at += SECTOR)
		settle_sector(file, at, durable, size);
	if (file->count == 0)
		memcpy(file->now, file->disk, (size_t)size);
	memcpy(file->disk, file->now, (size_t)size);
	file->size = file->disk_size = size;
	file->count = file->used = 0;
	if (file->allocated < size)
		file->allocated = size;
}

void
sim_power_cut(void)
{
	for (int fd = 0; fd < SIM_FILES; fd++)
		cut_file(&sim.file[fd]);
}

void
sim_evict(void)
{
	for (int fd = 0; fd < SIM_FILES; fd++) {
		struct sim_file *file = &sim.file[fd];

		if (file->count == 0 && file->size == file->disk_size)
			memcpy(file->now, file->disk, (size_t)file->size);
	}
}

static void
resize_disk(struct sim_file *file, off_t size)
{
	if (size > file->disk_size)
		memset(file->disk + file->disk_size, 0,
		    (size_t)(size - file->disk_size));
	file->disk_size = size;
}

void
sim_apply(struct sim_file *file, const struct sim_op *op)
{
	resize_disk(file, op->size);
	if (!op->truncates)
		memcpy(file->disk + op->at, file->arena + op->data, op->len);
}

void
sim_lose(struct sim_file *file)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct sim_op *op = &file->ops[i];
		off_t end = op->at + (off_t)op->len, next;

		resize_disk(file, op->size);
		for (off_t at = op->at; !op->truncates && at < end; at = next) {
			next = (at / SECTOR + 1) * SECTOR < end
			           ? (at / SECTOR + 1) * SECTOR
			           : end;
			if (sim.choose(2) == 0)
				memcpy(file->disk + at,
				    file->arena + op->data + (at - op->at),
				    (size_t)(next - at));
		}
	}
	file->count = file->used = 0;
}
