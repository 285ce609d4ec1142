/*
 * The index is a cache: whatever lies there, the answers are the same. And
 * the rules by which it is believed.
 */
#include "letters.h"

#include "mbox/index.h"
#include "mbox/stamp.h"
#include "mbox/xxh.h"

#define HEADER 168
#define SIZE (HEADER + 3 * 64)

/* The maildrop is seen as it is; its unique-ids are three. */
static void
check_box(struct box *box)
{
	box_open(box);
	assert_int_equal(maildrop_count(box->md), 3);
	box_sends(box, 1, SENT_A);
	box_sends(box, 2, SENT_B);
	box_sends(box, 3, SENT_A);
	for (uint32_t i = 1; i <= 3; i++) {
		for (uint32_t j = i + 1; j <= 3; j++) {
			struct uid first = box_uid(box, i),
			           second = box_uid(box, j);

			assert_string_not_equal(first.text, second.text);
		}
	}
	box_close(box);
}

static void
make(struct box *box, char index[SIZE])
{
	int fd;

	box_make(box);
	box_fill(box, A B A);
	box_settle();
	box_visit(box);
	fd = open(box->index, O_RDONLY);
	assert_int_equal(read(fd, index, SIZE), SIZE);
	assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
	close(fd);
}

static void
test_every_bit(void **state)
{
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	for (size_t i = 0; i < SIZE; i++) {
		index[i] ^= (char)(1 << i % 8);
		box_write(&box, box.index, O_TRUNC, index, SIZE);
		index[i] ^= (char)(1 << i % 8);
		check_box(&box);
	}
	box_remove(&box);
}

static void
test_every_length(void **state)
{
	char index[SIZE + 64] = {0};
	struct box box;

	(void)state;
	make(&box, index);
	for (size_t n = 0; n <= sizeof(index); n++) {
		box_write(&box, box.index, O_TRUNC, index, n);
		check_box(&box);
		assert_int_equal(truncate(box.index, (off_t)n), 0);
	}
	box_remove(&box);
}

/* Old records under a new header, and the other way round: a torn write. */
static void
test_torn(void **state)
{
	char old[SIZE], new[SIZE], mixed[SIZE];
	struct box box;
	int fd;

	(void)state;
	make(&box, old);
	box_fill(&box, B A A);
	box_visit(&box);
	fd = open(box.index, O_RDONLY);
	assert_int_equal(read(fd, new, SIZE), SIZE);
	close(fd);
	box_fill(&box, A B A);
	for (size_t n = 0; n <= SIZE; n += 8) {
		memcpy(mixed, old, n);
		memcpy(mixed + n, new + n, SIZE - n);
		box_write(&box, box.index, O_TRUNC, mixed, SIZE);
		check_box(&box);
		memcpy(mixed, new, n);
		memcpy(mixed + n, old + n, SIZE - n);
		box_write(&box, box.index, O_TRUNC, mixed, SIZE);
		check_box(&box);
	}
	box_remove(&box);
}

/* Where in the header stands where the records are. */
#define AT 144

/* Damages a record. */
static void
poke_index(struct box *box, unsigned record)
{
	int fd = open(box->index, O_RDWR);
	uint64_t at;
	char octet;

	assert_int_equal(pread(fd, &at, sizeof(at), AT), sizeof(at));
	at += (uint64_t)record * 64 + 20;
	assert_int_equal(pread(fd, &octet, 1, (off_t)at), 1);
	octet = (char)~octet;
	assert_int_equal(pwrite(fd, &octet, 1, (off_t)at), 1);
	close(fd);
}

/* An index that cannot be written, or is none at all. */
static void
test_not_writable(void **state)
{
	struct box box;

	(void)state;
	box_make(&box);
	box_fill(&box, A B A);
	for (int i = 0; i < 2; i++) {
		box.fds.mbox = open(box.mbox, O_RDWR);
		box.fds.index = i == 0 ? open("/dev/null", O_RDONLY) : -1;
		box.fds.journal = open(box.journal, O_RDWR | O_CREAT, 0600);
		assert_int_equal(maildrop_open(&box.fds, &box.limits, &box.host,
		                     &box.md),
		    MD_OK);
		assert_int_equal(maildrop_count(box.md), 3);
		box_delete(&box, (const uint32_t[]){0});
	}
	box_remove(&box);
}

/* Messages [from, to), each another, every fifth ten times the same as message 3. */
static void
grow(struct box *box, unsigned from, unsigned to)
{
	size_t room = (size_t)(to - from) * 80 + 1, used = 0;
	char *text = malloc(room);

	assert_non_null(text);
	for (unsigned i = from; i < to; i++)
		used += (size_t)snprintf(text + used, room - used,
		    F1 "Subject: %u\n\nx\n\n", i % 5 == 3 && i < 50 ? 3 : i);
	assert_true(used < room);
	box_append(box, text);
	free(text);
	box_settle();
}

/* How a login finds so many messages; their unique-ids go to *hashp. */
static enum md_scan
look(struct box *box, uint32_t count, uint64_t *hashp)
{
	enum md_scan scan;

	*hashp = 0;
	box_open(box);
	assert_int_equal(maildrop_count(box->md), count);
	scan = box_scan(box);
	for (uint32_t i = 1; i <= count; i++) {
		struct uid uid = box_uid(box, i);

		*hashp = XXH3_64bits_withSeed(uid.text, strlen(uid.text), *hashp);
	}
	box_close(box);
	return scan;
}

/*
 * Around the ends of the parts that are summed: what new mail adds to the index
 * makes it the one that a whole scan makes, and all of it is covered.
 */
static void
test_grown(void **state)
{
	static const unsigned begins[] = {1, 4090, 4096, 8189};
	uint64_t uids, again;
	struct box box;

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		unsigned count = begins[i];

		box_make(&box);
		grow(&box, 0, count);
		assert_int_equal(look(&box, count, &uids), MD_SCAN_FULL);
		for (unsigned more = 1; more <= 4; more++) {
			grow(&box, count, count + more);
			count += more;
			assert_int_equal(look(&box, count, &uids), MD_SCAN_TAIL);
			assert_int_equal(look(&box, count, &again), MD_SCAN_NONE);
			assert_int_equal(uids, again);
		}
		for (unsigned record = 0; record < count; record += 1021) {
			poke_index(&box, record);
			assert_int_equal(look(&box, count, &again), MD_SCAN_FULL);
			assert_int_equal(uids, again);
			assert_int_equal(look(&box, count, &again), MD_SCAN_NONE);
		}
		box_remove(&box);
	}
}

/* Where the version stands, and the checksum of the header. */
#define VERSION_AT 8
#define SUM_AT (HEADER - 8)

/* What an older Poplar wrote, sound as it is, costs a scan and no unique-id. */
static void
test_old_version(void **state)
{
	uint64_t uids, again, sum;
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	assert_int_equal(look(&box, 3, &uids), MD_SCAN_NONE);
	index[VERSION_AT]--;
	sum = XXH3_64bits(index, SUM_AT);
	memcpy(index + SUM_AT, &sum, sizeof(sum));
	box_write(&box, box.index, O_TRUNC, index, SIZE);
	assert_int_equal(look(&box, 3, &again), MD_SCAN_FULL);
	assert_int_equal(uids, again);
	assert_int_equal(look(&box, 3, &again), MD_SCAN_NONE);
	assert_int_equal(uids, again);
	box_remove(&box);
}

/* A message gets its separator only with the mail behind it. */
static void
test_separated(void **state)
{
	uint64_t uids;
	struct box box;

	(void)state;
	box_make(&box);
	grow(&box, 0, 5000);
	box_append(&box, F1 "Subject: last\n\nno empty line behind\n");
	box_settle();
	assert_int_equal(look(&box, 5001, &uids), MD_SCAN_FULL);
	box_append(&box, "\n");
	grow(&box, 5001, 5002);
	assert_int_equal(look(&box, 5002, &uids), MD_SCAN_TAIL);
	box_open(&box);
	assert_int_equal(box_scan(&box), MD_SCAN_NONE);
	box_sends(&box, 5001, "Subject: last\r\n\r\nno empty line behind\r\n");
	box_sends(&box, 5002, "Subject: 5001\r\n\r\nx\r\n");
	box_remove(&box);
}

/* What is told of all messages together, before the index is read. */
static void
enter(struct box *box)
{
	uint32_t removed;

	assert_int_equal(box_enter(box, O_RDWR), MD_OK);
	assert_int_equal(box_scan(box), MD_SCAN_NONE);
	assert_int_equal(maildrop_count(box->md), 3);
	maildrop_undelete_all(box->md);
	assert_int_equal(maildrop_live(box->md), 3);
	assert_int_equal(maildrop_octets(box->md), 3 * strlen(SENT_A));
	assert_int_equal(maildrop_update(box->md, &removed), MD_OK);
}

/* The index is damaged or gone when the first message is asked for. */
static void
test_read_late(void **state)
{
	struct uid before[3], after;
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	enter(&box);
	assert_int_equal(maildrop_load(box.md), MD_OK);
	for (uint32_t i = 0; i < 3; i++)
		before[i] = box_uid(&box, i + 1);
	box_close(&box);
	for (unsigned damage = 0; damage < 5; damage++) {
		enter(&box);
		if (damage < 3)
			poke_index(&box, damage);
		else
			assert_int_equal(
			    truncate(box.index, damage == 3 ? 0 : SIZE - 1), 0);
		assert_int_equal(maildrop_load(box.md), MD_OK);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		for (uint32_t i = 0; i < 3; i++) {
			after = box_uid(&box, i + 1);
			assert_string_equal(after.text, before[i].text);
		}
		box_sends(&box, 2, SENT_B);
		box_close(&box);
		box_settle();
		box_visit(&box);
	}
	box_remove(&box);
}

/* An index that was touched since it was written is read at the login. */
static void
test_touched(void **state)
{
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	for (unsigned record = 0; record < 3; record++) {
		box_settle();
		poke_index(&box, record);
		assert_int_equal(box_enter(&box, O_RDWR), MD_OK);
		assert_int_equal(box_scan(&box), MD_SCAN_FULL);
		box_close(&box);
	}
	box_remove(&box);
}

/* What is read instead of a damaged index must be what the client was told of. */
static void
test_read_too_late(void **state)
{
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	enter(&box);
	poke_index(&box, 1);
	box_append(&box, B);
	assert_int_equal(maildrop_load(box.md), MD_CHANGED);
	assert_int_equal(maildrop_live(box.md), maildrop_count(box.md));
	box_close(&box);
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 4);
	box_sends(&box, 4, SENT_B);
	box_remove(&box);
}

/* Somebody has the maildrop when it is to be read instead: once more, later. */
static void
test_read_later(void **state)
{
	char index[SIZE];
	struct box box;

	(void)state;
	make(&box, index);
	box.limits.lock_wait_ms = 0;
	enter(&box);
	poke_index(&box, 1);
	box.busy = 1;
	assert_int_equal(maildrop_load(box.md), MD_BUSY);
	assert_int_equal(maildrop_count(box.md), 3);
	assert_int_equal(maildrop_live(box.md), 3);
	maildrop_undelete_all(box.md);
	assert_int_equal(maildrop_load(box.md), MD_OK);
	box_sends(&box, 2, SENT_B);
	box_delete(&box, (const uint32_t[]){2, 0});
	box_check(&box, A A);
	box_remove(&box);
}

/* A whole file, its octets to be freed. */
static char *
read_index(struct box *box, size_t *sizep)
{
	char *octets = malloc(1024);
	int fd = open(box->index, O_RDONLY);

	assert_non_null(octets);
	*sizep = (size_t)read(fd, octets, 1024);
	assert_in_range(*sizep, HEADER, 1023);
	close(fd);
	return octets;
}

/*
 * A sound index of another state has come into the place of the one looked at:
 * of fewer messages, of other sizes, or of the same ones at other places.
 */
static void
test_read_another(void **state)
{
	static const char *const others[] = {A B, A F1 "Subject: \r\n\ntwo\n\n" A,
	    A F1 "Subject: b\r\n\r\ntwo\r\n\r\n" A};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char index[SIZE], *other;
		struct box box;
		size_t size;

		make(&box, index);
		box_fill(&box, others[i]);
		box_settle();
		box_visit(&box);
		other = read_index(&box, &size);
		box_fill(&box, A B A);
		box_settle();
		box_visit(&box);
		enter(&box);
		box_write(&box, box.index, O_TRUNC, other, size);
		assert_int_equal(maildrop_load(box.md), MD_OK);
		assert_int_equal(maildrop_count(box.md), 3);
		box_sends(&box, 2, SENT_B);
		box_sends(&box, 3, SENT_A);
		free(other);
		box_remove(&box);
	}
}

static void
test_rules(void **state)
{
	const struct disk_stat at = {
	    .device = 1,
	    .inode = 2,
	    .links = 1,
	    .size = 100,
	    .ctime_sec = 1000,
	    .ctime_nsec = 999999999,
	    .mtime_sec = 900,
	};
	const int64_t settled = 1000 * 1000000000LL + 999999999 + 20000000;
	struct index_facts facts = {.stat = at, .taken = settled, .trusted = true};
	struct disk_stat now = at;

	(void)state;
	assert_int_equal(index_compare(&facts, &now), INDEX_EXACT);
	facts.taken--;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	assert_int_equal(stamp_unsettled(&at, facts.taken), 1);
	now.size++;
	assert_int_equal(index_compare(&facts, &now), INDEX_PREFIX);
	facts.taken++;
	assert_int_equal(index_compare(&facts, &now), INDEX_PREFIX);
	now.inode++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now.inode--;
	now.birth_nsec++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.size--;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.device++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.mtime_nsec++;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	now.ctime_nsec--;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now = at;
	facts.trusted = false;
	assert_int_equal(index_compare(&facts, &now), INDEX_NOTHING);
	now.ctime_sec = INT64_MAX;
	assert_int_equal(stamp_unsettled(&now, 0), INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_bit),
	    cmocka_unit_test(test_every_length),
	    cmocka_unit_test(test_torn),
	    cmocka_unit_test(test_not_writable),
	    cmocka_unit_test(test_grown),
	    cmocka_unit_test(test_old_version),
	    cmocka_unit_test(test_separated),
	    cmocka_unit_test(test_read_late),
	    cmocka_unit_test(test_touched),
	    cmocka_unit_test(test_read_too_late),
	    cmocka_unit_test(test_read_later),
	    cmocka_unit_test(test_read_another),
	    cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
