/*
 * A server that syncs nothing, for the tests of power cuts: VARIANT=unsynced
 * is built to be seen failing them.
 */
#include <fcntl.h>
#include <unistd.h>

#define fsync(fd) ((void)(fd), 0)
#define fdatasync(fd) ((void)(fd), 0)
#define sync_file_range(fd, at, len, flags) ((void)(fd), (void)(at), (void)(len), 0)

#include "../../src/mbox/disk.c"
