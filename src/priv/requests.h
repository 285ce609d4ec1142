/*
 * What the monitor answers to its session's requests.
 */
#ifndef POPLAR_PRIV_REQUESTS_H
#define POPLAR_PRIV_REQUESTS_H

#include "running.h"

/*
 * Answers one message of size octets, which came with nfds descriptors, if its
 * size, type, phase, strings and lack of descriptors are right; this may take as
 * long as a login does. A password in it is wiped as soon as it was looked at.
 * False: they were not, and the session must die.
 */
bool request_answer(struct monitor *monitor, union ipc_message *message,
    size_t size, size_t nfds);

#endif
