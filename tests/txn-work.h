/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What transactions are interrupted in: a directory is replaced twice, one is added, one removed, a
 * file replaced, and a directory grows. Old and new state of all of it can be told apart.
 */

#include "tests/transaction.h"

/* A volume for it, of a type. */
struct txn_test *txn_work_new(int type);

/* The same on a volume of one's own; @n_full: files that, with the dots, take a cluster's slots. */
void txn_work_fill(struct txn_test *t, int n_full);

void txn_work_plan(struct txn_test *t);

/* Another work: one more file in the directory that is full. */
void txn_work_plan_one_more(struct txn_test *t);

/* Lay out and run; the count of device calls before the first commit is noted. */
int txn_work_run(struct txn_test *t);
int txn_work_note_before_commit(void *t);

/* How many of the five commits, which follow each other, are done; -1: something is broken. */
int txn_work_state_of(struct fat_volume *vol);
int txn_work_state(struct fixture *f);

bool txn_work_is_there(struct fat_volume *vol, const char *path);

/* Whatever was left: another run without a plan makes it spotless. */
void txn_work_tidy_up(struct txn_test *t);
