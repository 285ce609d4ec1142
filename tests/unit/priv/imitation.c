/*
 * What names without SCRAM keys look like: as often like each kind as there are
 * users of it, whatever the order in which they came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "priv/imitation.h"
#include "scram.h"

#define LOTS 10000U

static const struct {
	uint32_t iterations;
	size_t salt;
	uint32_t users;
} kinds[] = {
    {4096,  16, 5},
    {10000, 8,  1},
    {10000, 16, 3},
    {50000, 16, 1},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define USERS 10U

/* A lot out of so many, evenly spread. */
static uint32_t
lot_of(uint32_t number)
{
	return (uint32_t)(((uint64_t)number << 32) / LOTS);
}

static void
add_all(struct imitation *imitation)
{
	*imitation = (struct imitation){0};
	for (size_t i = KINDS; i-- > 0;) {
		for (uint32_t user = 0; user < kinds[i].users; user++)
			imitation_add(imitation, kinds[i].iterations,
			    kinds[i].salt);
	}
}

static void
test_nobody_has_keys(void **state)
{
	const struct imitation nobody = {0};

	(void)state;
	for (uint32_t number = 0; number < LOTS; number++) {
		struct imitated drawn = imitation_draw(&nobody, lot_of(number));

		assert_int_equal(drawn.iterations, SCRAM_ITERATIONS);
		assert_int_equal(drawn.salt, SCRAM_SALT_SIZE);
	}
}

static void
test_as_often_as_they_occur(void **state)
{
	struct imitation imitation;
	uint32_t seen[KINDS] = {0};

	(void)state;
	add_all(&imitation);
	for (uint32_t number = 0; number < LOTS; number++) {
		struct imitated drawn = imitation_draw(&imitation, lot_of(number));

		for (size_t i = 0; i < KINDS; i++)
			seen[i] += drawn.iterations == kinds[i].iterations &&
			           drawn.salt == kinds[i].salt;
	}
	for (size_t i = 0; i < KINDS; i++)
		assert_in_range(seen[i], LOTS / USERS * kinds[i].users - 2,
		    LOTS / USERS * kinds[i].users + 2);
	(void)imitation_draw(&imitation, UINT32_MAX);
}

/* Neither the order of the file nor one user more changes what most look like. */
static void
test_few_change(void **state)
{
	struct imitation before, after = {0};
	uint32_t changed = 0;

	(void)state;
	add_all(&before);
	for (size_t i = 0; i < KINDS; i++) {
		for (uint32_t user = 0; user < kinds[i].users; user++)
			imitation_add(&after, kinds[i].iterations, kinds[i].salt);
	}
	for (uint32_t number = 0; number < LOTS; number++)
		assert_int_equal(imitation_draw(&before, lot_of(number)).iterations,
		    imitation_draw(&after, lot_of(number)).iterations);
	imitation_add(&after, 4096, 16);
	for (uint32_t number = 0; number < LOTS; number++)
		changed += imitation_draw(&before, lot_of(number)).iterations !=
		           imitation_draw(&after, lot_of(number)).iterations;
	assert_in_range(changed, 1, 2 * LOTS / USERS);
}

static void
test_too_many_kinds(void **state)
{
	struct imitation imitation = {0};

	(void)state;
	for (uint32_t i = 0; i < 3 * IMITATION_MAX; i++)
		imitation_add(&imitation, i + 1, 16);
	assert_int_equal(imitation.count, IMITATION_MAX);
	assert_int_equal(imitation.users, IMITATION_MAX);
	imitation_add(&imitation, 1, 16);
	assert_int_equal(imitation.users, IMITATION_MAX + 1);
	assert_int_equal(imitation_draw(&imitation, 0).iterations, 1);
	assert_int_equal(imitation_draw(&imitation, UINT32_MAX).iterations,
	    IMITATION_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nobody_has_keys),
	    cmocka_unit_test(test_as_often_as_they_occur),
	    cmocka_unit_test(test_few_change),
	    cmocka_unit_test(test_too_many_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
