/*
 * A server that syncs nothing, for the tests of power cuts: VARIANT=unsynced
 * is built to be seen failing them.
 */
#include <unistd.h>

#define fsync(fd) ((void)(fd), 0)
#define fdatasync(fd) ((void)(fd), 0)

#include "../../src/mbox/disk.c"
