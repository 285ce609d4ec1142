/*
 * EXTERNAL in the auth child: a session's claim, put to the proof.
 */
#ifndef POPLAR_PRIV_CERTIFICATE_PROOF_H
#define POPLAR_PRIV_CERTIFICATE_PROOF_H

#include <stdbool.h>

#include "auth.h"

/*
 * Whether the client of this connection has the key of a certificate that
 * tls.client_ca vouches for and that names request->user. Waits for a process
 * that finds it out. What does not hold is logged: no honest session claims it.
 */
bool certificate_proven(const struct auth_request *request);

#endif
