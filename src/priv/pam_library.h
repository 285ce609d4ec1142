/*
 * libpam, mapped where PAM is asked and nowhere else: with it in the listener,
 * every fork would copy it and what it needs, and every session would hold code
 * that it must not use.
 */
#ifndef POPLAR_PRIV_PAM_LIBRARY_H
#define POPLAR_PRIV_PAM_LIBRARY_H

#include <security/pam_appl.h>

/* The functions of pam(3) of the same names. */
struct pam_library {
	__typeof__(pam_start) *start;
	__typeof__(pam_set_item) *set_item;
	__typeof__(pam_get_item) *get_item;
	__typeof__(pam_authenticate) *authenticate;
	__typeof__(pam_acct_mgmt) *acct_mgmt;
	__typeof__(pam_strerror) *strerror;
	__typeof__(pam_end) *end;
};

/*
 * Loads it, for the life of the process. Returns 0, or -1 with the reason
 * logged.
 */
int pam_library_load(struct pam_library *pam);

#endif
