/*
 * PROXY headers, version 1 and 2: each good one octet by octet, and what is
 * refused. A caller that reads only `need` octets never reads past a header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "network.h"
#include "session/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK "\300\0\2\7\177\0\0\1\20\0\0\156"
#define BLOCKS_72 V4_BLOCK V4_BLOCK V4_BLOCK V4_BLOCK V4_BLOCK V4_BLOCK
#define UNIX_BLOCK BLOCKS_72 BLOCKS_72 BLOCKS_72

/* A literal with its octets, NULs too. */
#define OCTETS(text) (text), sizeof(text) - 1

static const struct {
	const char *octets;
	size_t length;
	const char *address; /* NULL: not known */
} good[] = {
    {OCTETS("PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n"),        "192.0.2.7"  },
    {OCTETS("PROXY TCP6 2001:db8::7 ::1 4096 110\r\n"),            "2001:db8::7"},
    {OCTETS("PROXY UNKNOWN\r\n"),                                  NULL         },
    {OCTETS("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"),              NULL         },
    {OCTETS(SIGNATURE "\x21\x11\0\14" V4_BLOCK),                   "192.0.2.7"  },
    {OCTETS(SIGNATURE "\x21\x11\0\21" V4_BLOCK "\4\0\2hi"),        "192.0.2.7"  },
    {OCTETS(SIGNATURE "\x20\0\0\0"),                               NULL         },
    {OCTETS(SIGNATURE "\x20\x11\0\14" V4_BLOCK),                   NULL         },
    {OCTETS(SIGNATURE "\x21\0\0\0"),                               NULL         },
    {OCTETS(SIGNATURE "\x21\0\0\4junk"),                           NULL         },
    {OCTETS(SIGNATURE "\x20\0\0\4junk"),                           NULL         },
 /* UDP, and Unix sockets: as if not specified */
    {OCTETS(SIGNATURE "\x21\x12\0\14" V4_BLOCK),                   NULL         },
    {OCTETS(SIGNATURE "\x21\x22\0\44" V4_BLOCK V4_BLOCK V4_BLOCK), NULL         },
    {OCTETS(SIGNATURE "\x21\x31\0\330" UNIX_BLOCK),                NULL         },
    {OCTETS(SIGNATURE "\x21\x32\0\335" UNIX_BLOCK "\4\0\2hi"),     NULL         },
};

static void
test_good(void **state)
{
	struct proxy_header header;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (size_t cut = 0; cut < good[i].length; cut++) {
			assert_int_equal(proxy_parse(good[i].octets, cut, &header),
			    PROXY_MORE);
			assert_in_range(header.need, 1, good[i].length - cut);
		}
		assert_int_equal(proxy_parse(good[i].octets, good[i].length,
		                     &header),
		    PROXY_DONE);
		assert_int_equal(header.length, good[i].length);
		assert_int_equal(header.known, good[i].address != NULL);
		if (good[i].address == NULL)
			continue;
		network_print(header.address, text, sizeof(text));
		assert_string_equal(text, good[i].address);
	}
}

static void
test_bad(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
	} bad[] = {
	    {OCTETS("USER mrose\r\n")},
	    {OCTETS("\x16\x03\x01")},
	    {OCTETS("PROXY TCP4 192.0.2.300 127.0.0.1 1 110\r\n")},
	    {OCTETS("PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n")},
	    {OCTETS("PROXY TCP4 192.0.2.7 127.0.0.1 1 65536\r\n")},
	    {OCTETS("PROXY TCP4 192.0.2.7 127.0.0.1 1 110 9\r\n")},
	    {OCTETS("PROXY TCP4  192.0.2.7 127.0.0.1 1 110\r\n")},
	    {OCTETS("PROXY TCP4 192.0.2.7 127.0.0.1 1 110\n")},
	    {OCTETS("PROXY TCP5 192.0.2.7 127.0.0.1 1 110\r\n")},
	    {OCTETS("PROXY \r\n")},
	    {OCTETS("PROXY UNKNOWNS\r\n")},
	    {OCTETS("PROXY TCP4 192.0.2.7\0 127.0.0.1 1 110\r\n")},
	    {OCTETS(
	        "PROXY AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
	    {OCTETS(SIGNATURE "\x11\x11\0\14" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x22\x11\0\14" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x12\0\13" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x13\0\14" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x41\0\14" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x31\0\14" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x31\0\332" UNIX_BLOCK "\4\0")},
	    {OCTETS(SIGNATURE "\x21\x11\0\13" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x21\0\14" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x11\377\377" V4_BLOCK)},
	    {OCTETS(SIGNATURE "\x21\x11\0\16" V4_BLOCK "\4\0")},
	    {OCTETS(SIGNATURE "\x21\x11\0\21" V4_BLOCK "\4\0\3hi")},
	    {OCTETS(SIGNATURE "\x21\x11\0\23" V4_BLOCK "\3\0\4\0\0\0\0")},
	    {OCTETS(SIGNATURE "\x21\x11\0\21" V4_BLOCK "\3\0\2hi")},
	};
	struct proxy_header header;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(proxy_parse(bad[i].octets, bad[i].length, &header),
		    PROXY_BAD);
}

/* CRC-32C bit by bit from the other end, to compare with. */
static uint32_t
crc32c(const unsigned char *octets, size_t length)
{
	uint32_t crc = UINT32_MAX;

	while (length-- > 0) {
		uint32_t octet = *octets++;

		for (int i = 0; i < 8; i++, octet >>= 1)
			crc = (crc >> 1) ^
			      (((crc ^ octet) & 1) != 0 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static void
test_checksum(void **state)
{
	char octets[] = SIGNATURE "\x21\x11\0\23" V4_BLOCK "\3\0\4\0\0\0\0";
	const size_t length = sizeof(octets) - 1;
	struct proxy_header header;
	uint32_t crc = crc32c((const unsigned char *)octets, length);

	(void)state;
	assert_int_equal(crc32c((const unsigned char *)"123456789", 9),
	    0xe3069283U);
	for (size_t i = 0; i < 4; i++)
		octets[length - 4 + i] = (char)(crc >> (24 - 8 * i));
	assert_int_equal(proxy_parse(octets, length, &header), PROXY_DONE);
	for (size_t i = 16; i < 28; i++) {
		octets[i] ^= 1;
		assert_int_equal(proxy_parse(octets, length, &header), PROXY_BAD);
		octets[i] ^= 1;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
