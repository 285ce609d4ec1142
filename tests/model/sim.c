/*
 * The simulated disk: see sim.h. It is the disk of src/mbox/disk.h for the
 * program it is linked into.
 */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mbox/disk.h"
#include "mbox/journal.h"

#define UNIT 4096 /* in which room is given */

struct sim sim;

static void
settle(struct sim_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		sim_apply(file, &file->ops[i]);
	file->count = file->used = 0;
}

/* A kernel may write back all it has at any time; here, when the log is full. */
static struct sim_op *
new_op(struct sim_file *file, size_t octets)
{
	if (file->count == SIM_OPS || file->used + octets > sizeof(file->arena))
		settle(file);
	return &file->ops[file->count++];
}

static void
resize(struct sim_file *file, off_t size)
{
	off_t room = (size + UNIT - 1) / UNIT * UNIT;

	if (size > SIM_MAX)
		abort();
	if (size > file->size)
		memset(file->now + file->size, 0, (size_t)(size - file->size));
	if (size < file->size || room > file->allocated)
		file->allocated = room;
	file->size = size;
}

static void
do_write(struct sim_file *file, const void *data, size_t len, off_t at)
{
	struct sim_op *op;

	if (len == 0)
		return;
	op = new_op(file, len);
	*op = (struct sim_op){.at = at,
	    .len = len,
	    .data = file->used,
	    .before = file->size};
	memcpy(file->arena + file->used, data, len);
	file->used += len;
	if (at + (off_t)len > file->size)
		resize(file, at + (off_t)len);
	memcpy(file->now + at, data, len);
	op->size = file->size;
}

static void
do_truncate(struct sim_file *file, off_t size)
{
	struct sim_op *op = new_op(file, 0);

	*op = (struct sim_op){.at = size,
	    .truncates = true,
	    .before = file->size,
	    .size = size};
	resize(file, size);
}

static void
do_sync(struct sim_file *file)
{
	settle(file);
	file->syncs++;
	if (file == &sim.file[SIM_MBOX])
		sim.bare = false;
}

/* Processes: where they die, and which of their calls fail. */

void
sim_reset(void)
{
	for (int fd = 0; fd < SIM_FILES; fd++) {
		struct sim_file *file = &sim.file[fd];

		file->size = file->disk_size = file->allocated = 0;
		file->count = file->used = 0;
		file->syncs = 0;
		file->inode = (uint64_t)(fd + 11);
	}
	sim.fault = FAULT_NEVER;
	sim.bare = false;
	sim.faults = 0;
	sim.written = 0;
	sim.clock = 1700000000;
}

void
sim_boot(bool recovering, unsigned crash_at)
{
	sim.recovering = recovering;
	sim.crash_at = crash_at;
	sim.crash_chosen = false;
	sim.calls = 0;
	sim.dead = false;
	sim.faults = 0;
	sim.again = false;
	for (int fd = 0; fd < SIM_FILES; fd++) {
		sim.file[fd].own_ops = 0;
		sim.file[fd].own_writes = false;
	}
}

/* Counts a call. True: it is not made, and errno says why. */
static bool
is_refused(void)
{
	errno = EIO;
	if (sim.dead)
		return true;
	sim.calls++;
	if (sim.calls == sim.crash_at || (sim.crash_chosen && sim.choose(2) == 1)) {
		sim.dead = true;
		return true;
	}
	if (sim.fault == FAULT_NEVER || sim.calls < sim.fault_at)
		return false;
	if (sim.fault == FAULT_ONCE && sim.calls > sim.fault_at)
		return false;
	sim.faults++;
	errno = sim.fault_errno;
	return true;
}

static struct sim_file *
own(int fd)
{
	struct sim_file *file = &sim.file[fd];

	file->own_ops++;
	file->own_writes = true;
	return file;
}

/* Other programs. */

void
sim_append(const void *data, size_t len, bool synced)
{
	struct sim_file *file = &sim.file[SIM_MBOX];

	do_write(file, data, len, file->size);
	if (synced)
		do_sync(file);
}

void
sim_rewrite(const void *data, size_t len)
{
	struct sim_file *file = &sim.file[SIM_MBOX];

	do_write(file, data, len, 0);
	do_truncate(file, (off_t)len);
	do_sync(file);
}

void
sim_write_back(void)
{
	do_sync(&sim.file[SIM_MBOX]);
}

void
sim_set_aside(void)
{
	struct sim_file *file = &sim.file[SIM_JOURNAL];

	do_truncate(file, 0);
	do_sync(file);
}

/* src/mbox/disk.h */

ssize_t
disk_read(int fd, void *buf, size_t len, off_t at)
{
	const struct sim_file *file = &sim.file[fd];
	size_t left = at < file->size ? (size_t)(file->size - at) : 0;

	if (is_refused())
		return -1;
	if (left > len)
		left = len;
	memcpy(buf, file->now + at, left);
	if (sim.weak == WEAK_ONE_SLOT && fd == SIM_JOURNAL && at == 0 &&
	    left == JOURNAL_BODY)
		memset((char *)buf + JOURNAL_SLOT, 0, JOURNAL_SLOT);
	return (ssize_t)left;
}

/* The first sectors, never all, of a write that was not to be. */
static void
write_part(int fd, const void *buf, size_t len, off_t at)
{
	unsigned sectors = (unsigned)((at + (off_t)len) / JOURNAL_SLOT -
	                              at / JOURNAL_SLOT);
	unsigned part = sectors > 1 ? sim.choose(sectors) : 0;

	if (part > 0)
		do_write(own(fd), buf,
		    part * JOURNAL_SLOT - (size_t)at % JOURNAL_SLOT, at);
}

int
disk_write(int fd, const void *buf, size_t len, off_t at)
{
	bool died = sim.dead;
	off_t room = sim.file[fd].allocated;

	if (is_refused()) {
		if (!died)
			write_part(fd, buf, len, at);
		return -1;
	}
	if (sim.full && at + (off_t)len > room) {
		if (at < room)
			do_write(own(fd), buf, (size_t)(room - at), at);
		errno = ENOSPC;
		return -1;
	}
	if (sim.weak == WEAK_ONE_SLOT && fd == SIM_JOURNAL && at == JOURNAL_SLOT)
		at = 0;
	if (sim_leaves_out(fd, buf, at))
		return 0;
	sim.written += len;
	do_write(own(fd), buf, len, at);
	return 0;
}

int
disk_sync(int fd)
{
	struct sim_file *file = &sim.file[fd];

	if (is_refused()) {
		if (!sim.dead)
			sim_lose(file);
		return -1;
	}
	if (sim.weak == SITE_NONE || sim_site(fd) != sim.weak)
		do_sync(file);
	file->own_ops = 0;
	return 0;
}

int
disk_datasync(int fd)
{
	return disk_sync(fd);
}

/* At a power cut all may be on the disk that was written, told to or not. */
void
disk_start_sync(int fd, off_t at, off_t len)
{
	(void)fd;
	(void)at;
	(void)len;
}

int
disk_truncate(int fd, off_t size)
{
	if (is_refused())
		return -1;
	do_truncate(own(fd), size);
	if (fd == SIM_MBOX && sim_head()->sequence == 0 && size % UNIT != 0)
		sim.bare = true;
	return 0;
}

/* On a full disk a file may grow as far as it gets before the call fails. */
int
disk_allocate(int fd, off_t at, off_t len)
{
	struct sim_file *file = &sim.file[fd];
	off_t end = at + len;

	if (is_refused())
		return -1;
	if (sim.full && end > file->allocated) {
		if (file->size < file->allocated && sim.choose(2) == 0)
			do_truncate(own(fd), file->allocated);
		errno = ENOSPC;
		return -1;
	}
	if (end > file->size)
		do_truncate(own(fd), end);
	return 0;
}

int
disk_claim(int fd, off_t at, off_t len)
{
	return disk_allocate(fd, at, len);
}

int
disk_reserve(int fd, off_t at, off_t len)
{
	struct sim_file *file = &sim.file[fd];

	if (is_refused())
		return -1;
	if (at + len > file->allocated)
		file->allocated = at + len;
	return 0;
}

int
disk_stat(int fd, struct disk_stat *stat)
{
	const struct sim_file *file = &sim.file[fd];

	if (is_refused())
		return -1;
	*stat = (struct disk_stat){.inode = file->inode,
	    .links = 1,
	    .birth_sec = 1600000000,
	    .size = file->size,
	    .regular = true};
	return 0;
}

int
disk_space(int fd, uint64_t *freep, uint64_t *totalp)
{
	(void)fd;
	if (is_refused())
		return -1;
	*totalp = (uint64_t)1 << 40;
	*freep = sim.full ? 0 : *totalp;
	return 0;
}

int
disk_lock(int fd, bool exclusive)
{
	(void)fd;
	(void)exclusive;
	return 0;
}

int
disk_unlock(int fd)
{
	(void)fd;
	return 0;
}

int64_t
disk_clock(void)
{
	return ++sim.clock;
}
