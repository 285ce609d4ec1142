/*
 * The wire form against a reference that sees the whole message at once:
 * every split of the input, small output buffers, and counts equal to what is
 * sent (faults D 51 to 54).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define MAX 4096

struct text {
	char at[4 * MAX];
	size_t len, stuffed;
};

static void
add(struct text *out, const char *src, size_t len)
{
	memcpy(out->at + out->len, src, len);
	out->len += len;
}

/* The reference: line by line, the whole message in memory. */
static void
reference(const char *src, size_t len, uint64_t lines, struct text *out)
{
	bool in_header = true;

	*out = (struct text){.len = 0};
	while (len > 0 && (in_header || lines > 0)) {
		const char *lf = memchr(src, '\n', len);
		size_t taken = lf != NULL ? (size_t)(lf - src) + 1 : len;
		size_t text = lf != NULL ? taken - 1 : taken;

		if (lf != NULL && text > 0 && src[text - 1] == '\r')
			text--;
		if (text > 0 && src[0] == '.') {
			add(out, ".", 1);
			out->stuffed++;
		}
		add(out, src, text);
		add(out, "\r\n", 2);
		if (!in_header && lines != WIRE_WHOLE)
			lines--;
		in_header = in_header && text > 0;
		src += taken;
		len -= taken;
	}
	if (in_header)
		add(out, "\r\n", 2);
}

/* Feeds src in parts of step octets, into buffers of room octets. */
static uint64_t
encode(const char *src, size_t len, uint64_t lines, size_t first, size_t step,
    size_t room, struct text *out)
{
	struct wire wire;
	char buf[MAX];
	size_t taken, n;

	*out = (struct text){.len = 0};
	wire_start(&wire, lines);
	for (size_t part = first; len > 0; part = step) {
		n = part < len ? part : len;
		add(out, buf, wire_encode(&wire, src, n, buf, room, &taken));
		assert_true(taken <= n);
		src += taken;
		len -= taken;
	}
	n = wire_finish(&wire, buf);
	assert_true(n <= 5);
	add(out, buf, n);
	return wire.octets;
}

static uint64_t
count(const char *src, size_t len, uint64_t lines, size_t first, size_t step)
{
	struct wire wire;
	size_t n;

	wire_start(&wire, lines);
	for (size_t part = first; len > 0; part = step) {
		n = part < len ? part : len;
		wire_count(&wire, src, n);
		src += n;
		len -= n;
	}
	wire_count_finish(&wire);
	return wire.octets;
}

static void
compare(const char *src, size_t len, uint64_t lines, size_t first, size_t step,
    size_t room)
{
	static struct text want, got;
	uint64_t octets;

	reference(src, len, lines, &want);
	octets = encode(src, len, lines, first, step, room, &got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.at, want.at, want.len);
	assert_int_equal(octets, want.len - want.stuffed);
	assert_int_equal(count(src, len, lines, first, step), octets);
}

static const struct {
	const char *stored, *sent;
} forms[] = {
    {"",                     "\r\n"                        },
    {"\n",                   "\r\n"                        },
    {"A: b",                 "A: b\r\n\r\n"                },
    {"A: b\n",               "A: b\r\n\r\n"                },
    {"A: b\r\n",             "A: b\r\n\r\n"                },
    {"A: b\n\n",             "A: b\r\n\r\n"                },
    {"A: b\n\nx",            "A: b\r\n\r\nx\r\n"           },
    {"A: b\r\n\r\nx\r\n",    "A: b\r\n\r\nx\r\n"           },
    {"A: b\n\r\nx\ny\r\n",   "A: b\r\n\r\nx\r\ny\r\n"      },
    {"A: b\n\na\rb\r\r\n\r", "A: b\r\n\r\na\rb\r\r\n\r\r\n"},
    {"\n.\n..\n.x\n",        "\r\n..\r\n...\r\n..x\r\n"    },
    {".h: 1\n\n",            "..h: 1\r\n\r\n"              },
};

static void
test_forms(void **state)
{
	static struct text got;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		encode(forms[i].stored, strlen(forms[i].stored), WIRE_WHOLE, MAX,
		    MAX, MAX, &got);
		assert_int_equal(got.len, strlen(forms[i].sent));
		assert_memory_equal(got.at, forms[i].sent, got.len);
	}
}

static void
test_top(void **state)
{
	static const char message[] = "A: b\n\n1\n\n3\n4";
	static const struct {
		uint64_t lines;
		const char *sent;
	} tops[] = {
	    {0, "A: b\r\n\r\n"                   },
	    {1, "A: b\r\n\r\n1\r\n"              },
	    {2, "A: b\r\n\r\n1\r\n\r\n"          },
	    {4, "A: b\r\n\r\n1\r\n\r\n3\r\n4\r\n"},
	    {5, "A: b\r\n\r\n1\r\n\r\n3\r\n4\r\n"},
	};
	static struct text got;

	(void)state;
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		encode(message, sizeof(message) - 1, tops[i].lines, 1, 1, 4, &got);
		assert_int_equal(got.len, strlen(tops[i].sent));
		assert_memory_equal(got.at, tops[i].sent, got.len);
	}
}

/* Octets that matter, more often than others. */
static size_t
hostile(char *dst, size_t max)
{
	static const char special[] = "\n\n\n\r\r.. aF";
	size_t len = (size_t)rand() % max;

	for (size_t i = 0; i < len; i++)
		dst[i] = rand() % 8 != 0
		             ? special[(size_t)rand() % (sizeof(special))]
		             : (char)rand();
	return len;
}

static void
test_every_split(void **state)
{
	static const uint64_t lines[] = {WIRE_WHOLE, 0, 1, 3};
	char src[40];

	(void)state;
	srand(1);
	for (int round = 0; round < 300; round++) {
		size_t len = hostile(src, sizeof(src));

		for (size_t first = 1; first <= len; first++) {
			for (size_t i = 0; i < 4; i++)
				compare(src, len, lines[i], first, len, MAX);
		}
	}
}

static void
test_small_buffers(void **state)
{
	char src[MAX / 2];

	(void)state;
	srand(2);
	for (int round = 0; round < 2000; round++) {
		size_t len = hostile(src, sizeof(src) / (1 + (size_t)rand() % 16));
		size_t step = 1 + (size_t)rand() % 300;
		size_t room = 4 + (size_t)rand() % 30;
		uint64_t lines = rand() % 2 ? WIRE_WHOLE : (uint64_t)rand() % 20;

		compare(src, len, lines, step, step, room);
	}
}

/* 53: a dot at each edge of each buffer. */
static void
test_dots_at_edges(void **state)
{
	char src[600];

	(void)state;
	for (size_t at = 0; at + 3 < sizeof(src); at++) {
		memset(src, 'x', sizeof(src));
		memcpy(src, "\n", 1);
		memcpy(src + at, "\n.\n", 3);
		compare(src, sizeof(src), WIRE_WHOLE, 64, 64, 64);
		compare(src, sizeof(src), WIRE_WHOLE, 256, 256, 67);
	}
}

/* Long texts take the counter's way by blocks. */
static void
test_long(void **state)
{
	static char src[MAX];

	(void)state;
	srand(3);
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < sizeof(src); i++)
			src[i] = "\r\n\n.aaaaaaaa"[rand() % 12];
		compare(src, sizeof(src) / 2, WIRE_WHOLE, 1 + (size_t)rand() % 900,
		    1 + (size_t)rand() % 900, 512);
	}
	/* more line ends in a row than a byte counts */
	memset(src, '\n', sizeof(src));
	compare(src, sizeof(src) / 2, WIRE_WHOLE, MAX, MAX, MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_top),
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_small_buffers),
	    cmocka_unit_test(test_dots_at_edges),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
