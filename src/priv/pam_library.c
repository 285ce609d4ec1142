/*
 * Loads libpam with dlopen(3). Runs as root in the auth child.
 */
#include "pam_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "log.h"

/* The name of its interface, which does not change without a new number. */
#define LIBRARY "libpam.so.0"

static const struct {
	const char *name;
	size_t place;
} functions[] = {
    {"pam_start",        offsetof(struct pam_library, start)       },
    {"pam_set_item",     offsetof(struct pam_library, set_item)    },
    {"pam_get_item",     offsetof(struct pam_library, get_item)    },
    {"pam_authenticate", offsetof(struct pam_library, authenticate)},
    {"pam_acct_mgmt",    offsetof(struct pam_library, acct_mgmt)   },
    {"pam_strerror",     offsetof(struct pam_library, strerror)    },
    {"pam_end",          offsetof(struct pam_library, end)         },
};

int
pam_library_load(struct pam_library *pam)
{
	void *library = dlopen(LIBRARY, RTLD_NOW), *function;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		function = library == NULL ? NULL
		                           : dlsym(library, functions[i].name);
		if (function == NULL) {
			log_error("pam: cannot use " LIBRARY ": %s", dlerror());
			return -1;
		}
		memcpy((char *)pam + functions[i].place, &function,
		    sizeof(function));
	}
	return 0;
}
