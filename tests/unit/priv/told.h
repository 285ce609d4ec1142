/*
 * What is logged meanwhile, for tests of this folder.
 */
#ifndef POPLAR_TEST_TOLD_H
#define POPLAR_TEST_TOLD_H

#include <fcntl.h>
#include <unistd.h>

#include "log.h"

struct told {
	int pipe[2], saved;
};

/* From here on lines of this level go to a pipe in place of standard error. */
static void
told_begin(struct told *told, enum log_level level)
{
	told->saved = dup(STDERR_FILENO);
	assert_int_equal(pipe2(told->pipe, O_NONBLOCK), 0);
	assert_int_equal(dup2(told->pipe[1], STDERR_FILENO), STDERR_FILENO);
	log_open(LOG_TO_STDERR, level);
}

/* Up to here: the lines, terminated. Nothing is logged any more. */
static void
told_end(struct told *told, char *text, size_t size)
{
	ssize_t got;

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	assert_int_equal(dup2(told->saved, STDERR_FILENO), STDERR_FILENO);
	got = read(told->pipe[0], text, size - 1);
	text[got > 0 ? got : 0] = '\0';
	close(told->saved);
	close(told->pipe[0]);
	close(told->pipe[1]);
}

#endif
