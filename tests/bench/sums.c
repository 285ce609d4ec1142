/*
 * Reads what mkmbox wrote beside a mailbox: see sums.h. No privilege.
 */
#include "sums.h"

#include <sys/stat.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

void
sums_read(struct sums *sums, const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	size_t count;

	if (file == NULL || fstat(fileno(file), &st) == -1)
		err(1, "%s", path);
	count = (size_t)st.st_size / sizeof(*sums->at);
	if (count == 0)
		errx(1, "%s: holds nothing", path);
	sums->at = calloc(count, sizeof(*sums->at));
	if (sums->at == NULL)
		err(1, "%s", path);
	if (fread(sums->at, sizeof(*sums->at), count, file) != count)
		err(1, "%s", path);
	sums->count = count - 1;
	fclose(file);
}
