/*
 * Whether PAM is a back end, and whether it can be.
 */
#ifndef POPLAR_PRIV_PAM_H
#define POPLAR_PRIV_PAM_H

#include <stdbool.h>

#include "config.h"

/* Whether `pam` is one of the back ends. */
bool pam_is_used(const struct config *config);

/* Whether PAM has a service of this name; without, PAM would take "other". */
bool pam_service_present(const char *service);

/* Warns where pam is a back end without its service, for -t and at start. */
void pam_verify(const struct config *config);

#endif
