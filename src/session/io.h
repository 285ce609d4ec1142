/*
 * How one attempt to move octets went, over whatever they move.
 */
#ifndef POPLAR_SESSION_IO_H
#define POPLAR_SESSION_IO_H

enum io_result {
	IO_DONE,
	IO_WANT_READ,  /* try again when the descriptor can be read */
	IO_WANT_WRITE, /* ... written */
	IO_CLOSED,     /* the other end closed it, in order or not */
	IO_FAILED
};

#endif
