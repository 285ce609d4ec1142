/*
 * What the monitor answers to its session's requests.
 */
#ifndef POPLAR_PRIV_REQUESTS_H
#define POPLAR_PRIV_REQUESTS_H

#include "running.h"

/*
 * Answers one message if its size, type, phase, strings and lack of
 * descriptors are right. False: they were not, and the session must die.
 */
bool request_answer(struct monitor *monitor, const union ipc_message *message,
    size_t size, size_t nfds);

#endif
