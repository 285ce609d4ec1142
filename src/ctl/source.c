/*
 * The configuration that a subcommand works with: -c and -o, as poplard has them.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "config.h"
#include "ctl.h"

void
source_init(struct source *source, int argc)
{
	*source = (struct source){.path = POPLAR_CONF};
	source->items = calloc((size_t)argc, sizeof(*source->items));
	if (source->items == NULL)
		err(EX_OSERR, NULL);
}

void
source_free(struct source *source)
{
	free(source->items);
}

bool
source_take(struct source *source, int letter, const char *text)
{
	if (letter == 'c') {
		source->path = text;
		source->required = true;
	} else if (letter == 'o')
		source->items[source->count++] = text;
	return letter == 'c' || letter == 'o';
}

int
source_load(const struct source *source, struct config **configp)
{
	const struct config_overrides overrides = {.items = source->items,
	    .count = source->count};

	return config_load(source->path, source->required, &overrides, stderr,
	    configp);
}
