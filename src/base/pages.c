/*
 * Memory by whole pages. Used with every privilege.
 *
 * A page once touched stays with its process. What was touched below the frame
 * of a function that waits is of no use any more; dropped, it reads as zero.
 */
#include "pages.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Below a frame: what is in it, and what a system call needs. */
#define FRAME_MAX 512
/* More than any call takes. */
#define STACK_BELOW ((uintptr_t)256 * 1024)

static void *
map(size_t size, int more)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | more, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

void *
pages_new(size_t size)
{
	return map(size, 0);
}

void *
pages_filled(size_t size)
{
	return map(size, MAP_POPULATE);
}

void
pages_wipe(void *memory, size_t size, size_t secret)
{
	explicit_bzero(memory, secret);
	(void)munmap(memory, size);
}

void
pages_rest(void)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
	const uintptr_t top = (frame - FRAME_MAX) / page * page;

	/* where the stack has not come that far this fails, behind what it has */
	(void)madvise((void *)(top - STACK_BELOW), STACK_BELOW, MADV_DONTNEED);
}
