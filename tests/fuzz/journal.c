/*
 * A journal that lies, with checksums that are right, and of the maildrop that it
 * says. The first octet of the input chooses one of four that a death in UPDATE
 * left; the rest are changes of three octets each, the place (two, the lower one
 * first) and what is put there.
 *
 * Whatever it says, the maildrop does not grow, and a conflict leaves it alone.
 */
#include <sys/mman.h>

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mbox/cut.h"
#include "mbox/journal.h"

#define SIZE 20000 /* of the maildrop: some blocks */
#define FROM 5000
#define NEXT 7000
#define JOURNAL_MAX (JOURNAL_BODY + 2 * SIZE)

/* What a death leaves of a maildrop and its journal. */
static struct left {
	unsigned phase; /* at death */
	unsigned spans; /* that are kept behind the first octet that goes */
	bool roomy;     /* there is space for what is kept */
	char mbox[SIZE], journal[JOURNAL_MAX];
	size_t mbox_size, journal_size;
} lefts[] = {
    {.phase = JOURNAL_COPY, .spans = 1, .roomy = true },
    {.phase = JOURNAL_MOVE, .spans = 1, .roomy = false},
    {.phase = JOURNAL_CUT,  .spans = 1, .roomy = true },
    {.phase = JOURNAL_DROP, .spans = 0, .roomy = true },
};

static int mbox = -1, journal = -1;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static int
make(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd != -1);
	return fd;
}

/* A file on a disk with space: a memfd(2) has none to tell of. */
static int
make_roomy(void)
{
	char path[] = "/dev/shm/poplar-fuzz-XXXXXX";
	int fd = mkstemp(path);

	must(fd != -1 && unlink(path) == 0);
	return fd;
}

static void
put(int fd, const char *octets, size_t size)
{
	must(ftruncate(fd, 0) == 0 && pwrite(fd, octets, size, 0) == (ssize_t)size);
}

static size_t
get(int fd, char *octets, size_t max)
{
	ssize_t size = pread(fd, octets, max, 0);

	must(size >= 0 && (size_t)size < max + 1);
	return (size_t)size;
}

/* What came after a phase has not come to the disk. */
static void
forget_after(struct left *left)
{
	struct journal_head head;

	for (size_t at = 0; at < JOURNAL_BODY; at += JOURNAL_SLOT) {
		memcpy(&head, left->journal + at, sizeof(head));
		if (head.phase != left->phase)
			memset(left->journal + at, 0, JOURNAL_SLOT);
	}
}

/* The file cannot be shortened, which ends UPDATE there. */
static void
die_in_update(struct left *left)
{
	const struct span keep = {NEXT, SIZE};
	const struct cut cut = {
	    .mbox = make("mbox"),
	    .journal = left->roomy ? make_roomy() : make("journal"),
	    .size = SIZE,
	    .from = FROM,
	    .keep = &keep,
	    .count = left->spans,
	};
	char octets[SIZE];

	for (size_t i = 0; i < SIZE; i++)
		octets[i] = (char)('a' + i * i / 7 % 26);
	put(cut.mbox, octets, SIZE);
	must(fcntl(cut.mbox, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	must(cut_commit(&cut) == MD_IO);
	left->mbox_size = get(cut.mbox, left->mbox, SIZE);
	left->journal_size = get(cut.journal, left->journal, JOURNAL_MAX);
	forget_after(left);
	close(cut.mbox);
	close(cut.journal);
}

static void
set_up(void)
{
	if (mbox != -1)
		return;
	for (size_t i = 0; i < sizeof(lefts) / sizeof(*lefts); i++)
		die_in_update(&lefts[i]);
	mbox = make("mbox");
	journal = make("journal");
}

static void
forge_slot(char *octets, size_t size, size_t at, const struct disk_stat *id)
{
	struct journal_head head;

	memcpy(&head, octets + at, sizeof(head));
	if (head.sequence == 0)
		return;
	head.inode = id->inode;
	head.birth_sec = id->birth_sec;
	head.birth_nsec = id->birth_nsec;
	if (head.body_at <= size && head.body_length <= size - head.body_at)
		digest_of(octets + head.body_at, head.body_length, &head.body);
	digest_of(&head, offsetof(struct journal_head, checksum), &head.checksum);
	memcpy(octets + at, &head, sizeof(head));
}

/* The maildrop as it was left, and a journal that claims to be its. */
static void
place(const struct left *left, const uint8_t *changes, size_t size)
{
	static char octets[JOURNAL_MAX];
	struct disk_stat id;

	memcpy(octets, left->journal, left->journal_size);
	for (size_t i = 0; i + 3 <= size; i += 3)
		octets[(changes[i] + 256U * changes[i + 1]) % left->journal_size] =
		    (char)changes[i + 2];
	put(mbox, left->mbox, left->mbox_size);
	must(disk_stat(mbox, &id) == 0);
	forge_slot(octets, left->journal_size, 0, &id);
	forge_slot(octets, left->journal_size, JOURNAL_SLOT, &id);
	put(journal, octets, left->journal_size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char after[SIZE + 1];
	const struct left *left;
	enum md_recovery recovery;
	enum md_error error;
	size_t now;

	if (size < 1)
		return 0;
	set_up();
	left = &lefts[data[0] % (sizeof(lefts) / sizeof(*lefts))];
	place(left, data + 1, size - 1);
	error = cut_recover(mbox, journal, &recovery);
	now = get(mbox, after, sizeof(after));
	must(now <= left->mbox_size);
	if (error == MD_OK && recovery == MD_RECOVERY_CONFLICT)
		must(now == left->mbox_size && memcmp(after, left->mbox, now) == 0);
	/* what was not changed is finished, whole */
	if (size < 4)
		must(error == MD_OK && recovery == MD_RECOVERY_DONE &&
		     now == (left->spans > 0 ? SIZE - NEXT + FROM : FROM));
	return 0;
}
