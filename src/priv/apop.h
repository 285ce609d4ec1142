/*
 * APOP's digest (RFC 1725 section 7).
 */
#ifndef POPLAR_PRIV_APOP_H
#define POPLAR_PRIV_APOP_H

#include <stdbool.h>

/*
 * Whether digest is the MD5 of stamp and secret (RFC 1725 section 7). Takes as
 * long for any two digests.
 */
bool apop_matches(const char *stamp, const char *secret, const char *digest);

#endif
