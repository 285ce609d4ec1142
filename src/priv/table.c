/*
 * The shared table of connections. Runs as root, in the listener and the
 * monitors. At most a few thousand rows, walked in order: a walk costs less
 * than the fork that follows it.
 */
#include "table.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"

static size_t
size_of(size_t count)
{
	return sizeof(struct table) +
	       count * (sizeof(struct row) + sizeof(struct visitor));
}

struct table *
table_make(size_t count)
{
	struct table *table = mmap(NULL, size_of(count), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	table->count = count;
	return table;
}

void
table_hide(struct table *table)
{
	(void)madvise(table, size_of(table->count), MADV_DONTFORK);
}

struct row *
table_take(struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct row *row = &table->rows[i];

		if (row->pid != 0)
			continue;
		memset(row, 0, sizeof(*row));
		memset(table_visitor(table, row), 0, sizeof(struct visitor));
		row->phase = ROW_AUTHORIZATION;
		return row;
	}
	return NULL;
}

/* They follow the last row. */
struct visitor *
table_visitor(const struct table *table, const struct row *row)
{
	uintptr_t visitors = (uintptr_t)(table->rows + table->count);

	return (struct visitor *)visitors + (row - table->rows);
}

void
table_kick(struct row *row)
{
	if (row->kicked == 0)
		row->kicked = clock_now();
	(void)kill(row->pid, SIGUSR1);
}

struct row *
table_find(struct table *table, pid_t pid)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->rows[i].pid == pid)
			return &table->rows[i];
	}
	return NULL;
}

size_t
table_used(const struct table *table)
{
	size_t used = 0;

	for (size_t i = 0; i < table->count; i++)
		used += table->rows[i].pid != 0 && table->rows[i].kicked == 0;
	return used;
}

size_t
table_from(const struct table *table, const unsigned char source[NETWORK_OCTETS])
{
	size_t from = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct row *row = &table->rows[i];

		from += row->pid != 0 && row->kicked == 0 && !row->exempt &&
		        memcmp(row->source, source, sizeof(row->source)) == 0;
	}
	return from;
}

/* A login that takes longer is one that failed, or has little hope. */
#define LOGIN_USUAL_MS 1000

/* Whether its client has not logged in, and is not about to. */
static bool
is_waiting(const struct row *row, uint64_t now)
{
	return row->pid != 0 && row->kicked == 0 &&
	       (row->phase == ROW_AUTHORIZATION ||
	           (row->phase == ROW_LOGIN &&
	               now > row->login_since + LOGIN_USUAL_MS));
}

/* Those that try come last. */
static bool
goes_before(const struct row *row, const struct row *other)
{
	return row->phase != other->phase ? row->phase == ROW_AUTHORIZATION
	                                  : row->accepted < other->accepted;
}

struct row *
table_oldest_waiting(struct table *table)
{
	const uint64_t now = clock_now();
	struct row *oldest = NULL;

	for (size_t i = 0; i < table->count; i++) {
		struct row *row = &table->rows[i];

		if (is_waiting(row, now) &&
		    (oldest == NULL || goes_before(row, oldest)))
			oldest = row;
	}
	return oldest;
}
