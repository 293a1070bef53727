/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Waiting for another thread, up to some time. The clock that counts is not the one that is set: in
 * an initramfs it may jump by years, and nobody would wait that long. Private to lib/.
 */

#include <pthread.h>
#include <time.h>

/* Make @cond one that takes the times of fes_in_ms(). */
static inline void fes_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

/* The time in @ms milliseconds, for pthread_cond_timedwait(). */
static inline struct timespec fes_in_ms(unsigned ms)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += ms / 1000;
	time.tv_nsec += (long)(ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}
