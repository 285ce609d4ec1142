/*
 * The main of a fuzz entry where no fuzzer is linked: feeds it each file that
 * is named, so that every build replays the corpora.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX);
	size_t size = 0;
	int failed = 1;

	if (file == NULL || data == NULL) {
		perror(path);
		goto out;
	}
	size = fread(data, 1, INPUT_MAX, file);
	failed = ferror(file) != 0;
	/* an allocation of its exact size, so that sanitizers see its end */
	if (!failed && size > 0)
		data = realloc(data, size);
	if (!failed && data != NULL)
		(void)LLVMFuzzerTestOneInput(data, size);
out:
	free(data);
	if (file != NULL)
		fclose(file);
	return failed;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	return failed;
}
