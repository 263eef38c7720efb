/* SPDX-License-Identifier: MIT */
/* An ioctl on a thread of its own, to see whether it waits. */
#ifndef ANYKVM_TESTS_LIB_CALL_H
#define ANYKVM_TESTS_LIB_CALL_H

#include <pthread.h>

#include "kvm_api.h"

struct call {
	pthread_t thread;
	int fd;
	unsigned long request;
	void *arg;
	volatile bool begun, done;
	int result;		/* of the ioctl, or -errno */
};

static inline void *call_main(void *arg)
{
	struct call *c = arg;
	int r;

	c->begun = true;
	r = kvm_ioctl(c->fd, c->request, c->arg);
	c->result = r < 0 ? -errno : r;
	c->done = true;
	return NULL;
}

static inline void call_start(struct call *c, int fd, unsigned long request, void *arg)
{
	*c = (struct call){ .fd = fd, .request = request, .arg = arg };
	assert_int_equal(pthread_create(&c->thread, NULL, call_main, c), 0);
	while (!c->begun)
		usleep(50);
}

static inline int call_join(struct call *c)
{
	pthread_join(c->thread, NULL);
	return c->result;
}

#endif
