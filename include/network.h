/*
 * Addresses and networks. An IPv4 address is one of ::ffff:0:0/96.
 */
#ifndef POPLAR_NETWORK_H
#define POPLAR_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#define NETWORK_OCTETS 16

struct network {
	unsigned char address[NETWORK_OCTETS];
	unsigned bits; /* that count, from the front: 0 to 128 */
};

/* The address that 4 octets stand for. */
void network_map_v4(unsigned char address[NETWORK_OCTETS],
    const unsigned char v4[4]);

/* Printable, "192.0.2.7" or "2001:db8::7"; size is at least 46. */
void network_print(const unsigned char address[NETWORK_OCTETS], char *dst,
    size_t size);

/* 127.0.0.0/8 or ::1. */
bool network_is_loopback(const unsigned char address[NETWORK_OCTETS]);

/*
 * The next of a blank-separated list of "address" and "address/bits"; *listp
 * moves on behind it. 1; 0 at the end; -1 for text that is none (*listp is at
 * it then), which includes bits that are set behind the network's.
 */
int network_next(const char **listp, struct network *network);

/* Whether an address is in one of the networks of a valid list. */
bool network_list_holds(const char *list,
    const unsigned char address[NETWORK_OCTETS]);

#endif
