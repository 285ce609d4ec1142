/*
 * Three messages of one length, as they are stored and as they are sent.
 */
#ifndef POPLAR_TEST_LETTERS_H
#define POPLAR_TEST_LETTERS_H

#include "box.h"

#define A F1 "Subject: a\n\none\n\n"
#define B F1 "Subject: b\n\ntwo\n\n"
#define C F1 "Subject: c\n\n333\n\n"
#define LEN ((off_t)sizeof(A) - 1)
#define SENT_A "Subject: a\r\n\r\none\r\n"
#define SENT_B "Subject: b\r\n\r\ntwo\r\n"
#define SENT_C "Subject: c\r\n\r\n333\r\n"

#endif
