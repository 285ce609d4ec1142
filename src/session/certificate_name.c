/*
 * Names in certificates. Runs sandboxed: in a session, for what is offered, and
 * in the process that checks what a session claims.
 */
#include "certificate_name.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* In UTF-8, without a NUL inside; false: it does not fit, or is no text. */
static bool
copy_string(const ASN1_STRING *string, char *dst, size_t size)
{
	unsigned char *text = NULL;
	int length = ASN1_STRING_to_UTF8(&text, string);
	bool fits = length > 0 && (size_t)length < size &&
	            memchr(text, '\0', (size_t)length) == NULL;

	if (fits) {
		memcpy(dst, text, (size_t)length);
		dst[length] = '\0';
	}
	OPENSSL_free(text);
	return fits;
}

static bool
common_name(const X509 *certificate, char *name, size_t size)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	return place >= 0 &&
	       X509_NAME_get_index_by_NID(subject, NID_commonName, place) < 0 &&
	       copy_string(X509_NAME_ENTRY_get_data(
	                       X509_NAME_get_entry(subject, place)),
	           name, size);
}

/* *countp: how many addresses there are. */
static bool
address(const X509 *certificate, unsigned number, unsigned *countp, char *name,
    size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name,
	    NULL, NULL);
	bool found = false;

	*countp = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);

		if (one->type == GEN_EMAIL && (*countp)++ == number)
			found = copy_string(one->d.rfc822Name, name, size);
	}
	GENERAL_NAMES_free(names);
	return found;
}

bool
certificate_name(const struct x509_st *certificate, unsigned number, char *name,
    size_t size)
{
	unsigned count;
	bool found = address(certificate, number, &count, name, size) ||
	             (count == 0 && number == 0 &&
	                 common_name(certificate, name, size));

	ERR_clear_error();
	return found;
}
