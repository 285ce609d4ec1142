/*
 * The check behind session_prove(), without the process around it.
 */
#ifndef POPLAR_SESSION_PROVE_H
#define POPLAR_SESSION_PROVE_H

#include "session.h"

/* What a claim is worth. Needs no privilege and no descriptor; logs nothing. */
enum session_proved prove(const struct session_claim *claim);

#endif
