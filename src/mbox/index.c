/*
 * The index. Runs inside the session; the file is the session's own, and is
 * checked as if it were not.
 *
 * One header, and anywhere behind it the records of the messages, then those of
 * the kinds that are gone, all of 64 octets in the byte order of the machine.
 * The header holds a checksum of all records and one of itself. Nothing is
 * synced: whatever a power cut leaves, the checksums belong together or the
 * index is not there. That of the records is the sum of one for each part of
 * them, so that new mail costs the last part and not all.
 *
 * Where there are copies, new records are written where the header knows of
 * none, then the header, which lies in one sector. So a session that is killed
 * leaves the old index or the new one, and no unique-id of a copy is forgotten;
 * one that cannot write leaves the old one, not to be trusted but for those.
 *
 * The header also tells when it was written. Where the ctime of the index says
 * that nothing was written since, a login believes the header alone, and what it
 * says of the records: new mail is added behind the last part, which alone is
 * read. All records are read, and their checksum looked at, when a message is
 * asked for.
 */
#include "index.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "stamp.h"
#include "xxh.h"

#define INDEX_VERSION 5
#define PART 2048 /* records that are read, summed and written at once */

/* Bits of header.flags. */
#define TRUSTED 1U
#define SEALED 2U
#define ANNOUNCED 4U

static const char magic[8] = "poplar\x1aI";

/* No padding: the checksum covers all of it. */
struct header {
	char magic[8];
	uint32_t version, flags;
	uint32_t count, gone_count;
	uint32_t last, unsure;
	uint64_t device, inode;
	int64_t birth_sec, birth_nsec;
	uint64_t size;
	int64_t mtime_sec, mtime_nsec, ctime_sec, ctime_nsec;
	int64_t taken, written; /* disk_clock(); written: just before this was */
	uint64_t end, octets;   /* of the table */
	uint64_t unnumbered;
	uint64_t at; /* offset of the records */
	uint64_t records_sum, header_sum;
};

_Static_assert(sizeof(struct header) == 168, "the header of the index");

static uint64_t
header_sum(const struct header *header)
{
	return XXH3_64bits(header, offsetof(struct header, header_sum));
}

static bool
read_header(int fd, struct header *header)
{
	return disk_read(fd, header, sizeof(*header), 0) ==
	           (ssize_t)sizeof(*header) &&
	       memcmp(header->magic, magic, sizeof(magic)) == 0 &&
	       header->version == INDEX_VERSION &&
	       header->header_sum == header_sum(header) &&
	       header->last <= header->count && header->unsure <= header->count &&
	       header->unnumbered <= header->count &&
	       header->gone_count <= TABLE_GONE_MAX &&
	       header->end <= header->size && header->size <= INT64_MAX &&
	       header->at >= sizeof(*header) && header->at <= INT64_MAX / 2;
}

/* Octets of the records. */
static uint64_t
records_size(const struct header *header)
{
	return ((uint64_t)header->count + header->gone_count) *
	       sizeof(struct message);
}

/* Whether messages lie one behind the other, up to the end. */
struct walk {
	uint64_t at; /* behind the separator of the last one */
	uint64_t end, octets;
	uint32_t flags; /* of any of them */
};

static bool
walk_on(struct walk *walk, const struct message *messages, size_t count)
{
	for (const struct message *m = messages; m < messages + count; m++) {
		if (m->start < walk->at || m->start >= walk->end || m->epoch != 0)
			return false;
		walk->at = m->start + (m->flags & MESSAGE_SEPARATOR) + 1;
		walk->octets += m->octets;
		walk->flags |= m->flags;
	}
	return (walk->flags & ~MESSAGE_STORED) == 0;
}

/* The checksum of a part, which knows its place. */
static uint64_t
part_sum(const struct message *records, uint64_t first, uint64_t count)
{
	return XXH3_64bits_withSeed(records, count * sizeof(*records), first);
}

/*
 * Reads the records from table->first on into one array, part by part, each being
 * looked at while it is in the cache. False: they are not what the header says.
 * That is known only when all were read; else the others have what is left of the
 * sum.
 */
static bool
read_parts(int fd, const struct header *header, struct table *table,
    struct walk *walk)
{
	const uint64_t total = (uint64_t)header->count + header->gone_count;
	const size_t size = sizeof(*table->messages);
	uint64_t sum = 0;

	for (uint64_t done = table->first, n; done < total; done += n) {
		struct message *part = table->messages + (done - table->first);
		const uint64_t messages = done < header->count
		                              ? header->count - done
		                              : 0;

		table->summed = (uint32_t)done;
		table->sum = sum;
		n = total - done < PART ? total - done : PART;
		if (disk_read(fd, part, n * size,
		        (off_t)(header->at + done * size)) != (ssize_t)(n * size))
			return false;
		sum += part_sum(part, done, n);
		if (!walk_on(walk, part, messages < n ? messages : n))
			return false;
	}
	if (header->count > 0 && walk->at > walk->end + 1)
		return false;
	if (table->first == 0)
		return sum == header->records_sum && walk->octets == header->octets;
	table->summed = table->first;
	table->sum = header->records_sum - sum;
	return true;
}

/* Whether the file is as long as the header says: before memory is asked for. */
static bool
is_long_enough(int fd, const struct header *header)
{
	struct disk_stat stat;

	return disk_stat(fd, &stat) == 0 &&
	       (uint64_t)stat.size >= header->at + records_size(header);
}

/* Messages that the table is to have room for: some more than there are. */
static uint32_t
room_for(const struct header *header, uint32_t first)
{
	const uint64_t total = (uint64_t)header->count + header->gone_count - first;
	const uint64_t room = total + total / 4;

	return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

/* Those from table->first on. 1: read and right, 0: not, -1: no memory. */
static int
read_records(int fd, const struct header *header, struct table *table)
{
	const size_t gone = header->gone_count, size = sizeof(struct message);
	struct walk walk = {.end = header->end};

	if (!is_long_enough(fd, header))
		return 0;
	table->gone = gone > 0 ? calloc(gone, size) : NULL;
	if ((gone > 0 && table->gone == NULL) ||
	    table_reserve(table, room_for(header, table->first)) != MD_OK)
		return -1;
	if (!read_parts(fd, header, table, &walk))
		return 0;
	if (gone > 0)
		memcpy(table->gone, table_at(table, header->count), gone * size);
	table->count = header->count;
	table->gone_count = header->gone_count;
	table->end = header->end;
	table->octets = header->octets;
	return 1;
}

static void
unpack(const struct header *header, struct index_facts *facts)
{
	facts->stat = (struct disk_stat){
	    .device = header->device,
	    .inode = header->inode,
	    .birth_sec = header->birth_sec,
	    .birth_nsec = header->birth_nsec,
	    .links = 1,
	    .size = (off_t)header->size,
	    .mtime_sec = header->mtime_sec,
	    .mtime_nsec = header->mtime_nsec,
	    .ctime_sec = header->ctime_sec,
	    .ctime_nsec = header->ctime_nsec,
	    .regular = true,
	};
	facts->taken = header->taken;
	facts->last = header->last;
	facts->unsure = header->unsure;
	facts->unnumbered = (uint32_t)header->unnumbered;
	facts->trusted = (header->flags & TRUSTED) != 0;
	facts->sealed = (header->flags & SEALED) != 0;
	facts->announced = (header->flags & ANNOUNCED) != 0;
}

/*
 * The last messages begin where a part does. Behind kinds that are gone nothing can
 * just be added.
 */
static uint32_t
first_of_last(const struct header *header)
{
	if (header->gone_count > 0 || header->count < INDEX_LAST)
		return 0;
	return (header->count - INDEX_LAST) / PART * PART;
}

static enum md_error
load(int fd, bool all, struct table *table, struct index_facts *factsp)
{
	struct header header;
	int outcome;

	*factsp = (struct index_facts){0};
	*table = (struct table){0};
	if (!read_header(fd, &header))
		return MD_OK;
	table->first = all ? 0 : first_of_last(&header);
	outcome = read_records(fd, &header, table);
	if (outcome == 1) {
		unpack(&header, factsp);
		return MD_OK;
	}
	table_clear(table);
	return outcome == -1 ? MD_NO_MEMORY : MD_OK;
}

enum md_error
index_load(int fd, struct table *table, struct index_facts *factsp)
{
	return load(fd, true, table, factsp);
}

enum md_error
index_load_last(int fd, struct table *table, struct index_facts *factsp)
{
	return load(fd, false, table, factsp);
}

/* Whether the last change of the index was the writing of this header. */
static bool
is_untouched(int fd, const struct header *header)
{
	struct disk_stat stat;
	int64_t off;

	if (disk_stat(fd, &stat) == -1)
		return false;
	off = stamp_unsettled(&stat, header->written);
	return off > 0 && off <= (int64_t)2 * STAMP_COARSE_NS;
}

enum md_error
index_peek(int fd, struct table *table, struct index_facts *factsp)
{
	struct header header;

	if (!read_header(fd, &header) || !is_untouched(fd, &header))
		return index_load(fd, table, factsp);
	*factsp = (struct index_facts){0};
	*table = (struct table){
	    .first = header.count,
	    .count = header.count,
	    .end = header.end,
	    .octets = header.octets,
	};
	unpack(&header, factsp);
	return MD_OK;
}

enum index_match
index_compare(const struct index_facts *facts, const struct disk_stat *now)
{
	/* of an UPDATE that was begun it is not known what came of it */
	if (!facts->trusted || facts->announced)
		return INDEX_NOTHING;
	if (stamp_same(&facts->stat, now))
		return facts->sealed || stamp_unsettled(now, facts->taken) == 0
		           ? INDEX_EXACT
		           : INDEX_NOTHING;
	if (stamp_same_file(&facts->stat, now) && facts->stat.size < now->size)
		return INDEX_PREFIX;
	return INDEX_NOTHING;
}

static void
pack(const struct index_facts *facts, struct header *header)
{
	memcpy(header->magic, magic, sizeof(magic));
	header->version = INDEX_VERSION;
	header->flags = (facts->trusted ? TRUSTED : 0) |
	                (facts->sealed ? SEALED : 0) |
	                (facts->announced ? ANNOUNCED : 0);
	header->last = facts->last;
	header->unsure = facts->unsure;
	header->unnumbered = facts->unnumbered;
	header->device = facts->stat.device;
	header->inode = facts->stat.inode;
	header->birth_sec = facts->stat.birth_sec;
	header->birth_nsec = facts->stat.birth_nsec;
	header->size = (uint64_t)facts->stat.size;
	header->mtime_sec = facts->stat.mtime_sec;
	header->mtime_nsec = facts->stat.mtime_nsec;
	header->ctime_sec = facts->stat.ctime_sec;
	header->ctime_nsec = facts->stat.ctime_nsec;
	header->taken = facts->taken;
	header->written = disk_clock();
}

/* Whether unique-ids may rest on the index, and not on the messages alone. */
static bool
has_copies(const struct table *table)
{
	return table->first > 0 || table->gone_count > 0 ||
	       table_has_copies(table, 0);
}

/*
 * Where the records of a new header go, and from which one on they need to be
 * written. In the old place only those behind the old ones, unless the loss of
 * the index costs nothing but a scan. *old is the header whose records stay
 * untouched, or zero.
 */
static uint32_t
place(int fd, const struct table *table, struct header *next, uint32_t from,
    struct header *old)
{
	next->at = sizeof(*next);
	if (!read_header(fd, old)) {
		*old = (struct header){0};
		return 0;
	}
	if (from >= old->count && old->gone_count == 0) {
		next->at = old->at;
		return from;
	}
	if (!has_copies(table)) {
		next->at = old->at;
		*old = (struct header){0};
		return from;
	}
	if (next->at + records_size(next) > old->at)
		next->at = old->at + records_size(old);
	return 0;
}

/* So many records from the first on, as they are written. */
static void
fill_part(const struct table *table, uint64_t first, uint64_t count,
    struct message *part)
{
	for (uint64_t i = first; i < first + count; i++, part++) {
		*part = i < table->count ? *table_at(table, (uint32_t)i)
		                         : table->gone[i - table->count];
		part->flags &= MESSAGE_STORED;
		part->epoch = 0;
	}
}

/* Writes the records from an index on, and sums up all. */
static int
write_records(int fd, const struct table *table, uint32_t from,
    struct header *header)
{
	const size_t size = sizeof(struct message);
	const uint64_t total = (uint64_t)table->count + table->gone_count;
	uint64_t first = from >= table->summed ? table->summed : 0, n, skip;
	struct message *part = calloc(total - first < PART ? total - first + 1
	                                                   : PART,
	    size);
	int result = -1;

	if (part == NULL)
		return -1;
	header->records_sum = first > 0 ? table->sum : 0;
	for (; first < total; first += n) {
		n = total - first < PART ? total - first : PART;
		fill_part(table, first, n, part);
		header->records_sum += part_sum(part, first, n);
		skip = from > first ? from - first : 0;
		if (skip < n &&
		    disk_write(fd, part + skip, (n - skip) * size,
		        (off_t)(header->at + (first + skip) * size)) == -1)
			goto out;
	}
	result = 0;
out:
	free(part);
	return result;
}

static int
put_header(int fd, struct header *header)
{
	header->header_sum = header_sum(header);
	return disk_write(fd, header, sizeof(*header), 0);
}

/* Cuts off what is behind the records of a header. */
static int
trim(int fd, const struct header *header)
{
	return disk_truncate(fd, (off_t)(header->at + records_size(header)));
}

void
index_save(int fd, const struct table *table, const struct index_facts *facts,
    uint32_t from)
{
	struct header header = {
	    .count = table->count,
	    .gone_count = table->gone_count,
	    .end = table->end,
	    .octets = table->octets,
	};
	struct header old;

	from = place(fd, table, &header, from, &old);
	if (from >= table->first && write_records(fd, table, from, &header) == 0) {
		pack(facts, &header);
		if (put_header(fd, &header) == 0 && trim(fd, &header) == 0)
			return;
	}
	/* of copies, the old one tells which is which */
	old.flags = 0;
	if (old.at == 0 || put_header(fd, &old) == -1 || trim(fd, &old) == -1)
		disk_truncate(fd, 0);
}

void
index_save_facts(int fd, const struct index_facts *facts)
{
	struct header header;

	/* records that are not to be trusted may be of another table */
	if (!read_header(fd, &header) || (header.flags & TRUSTED) == 0)
		return;
	pack(facts, &header);
	if (put_header(fd, &header) == -1)
		disk_truncate(fd, 0);
}
