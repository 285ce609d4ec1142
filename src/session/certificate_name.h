/*
 * Whom a certificate names.
 */
#ifndef POPLAR_SESSION_CERTIFICATE_NAME_H
#define POPLAR_SESSION_CERTIFICATE_NAME_H

#include <stdbool.h>
#include <stddef.h>

struct x509_st;

/*
 * A name that a certificate holds: its e-mail addresses in subjectAltName,
 * counted from 0; or, where it has none, the one CN of its subject. False: no
 * such name.
 */
bool certificate_name(const struct x509_st *certificate, unsigned number,
    char *name, size_t size);

#endif
