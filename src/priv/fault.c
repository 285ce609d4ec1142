/*
 * What is wrong with a maildrop, in words for the log. Runs as root.
 */
#include <stdarg.h>
#include <stdio.h>

#include "opening.h"

enum opening_result
opening_fault(struct opening *opening, enum opening_result result, const char *fmt,
    ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(opening->fault, sizeof(opening->fault), fmt, ap);
	va_end(ap);
	return result;
}
