/* SPDX-License-Identifier: MIT */
/*
 * Executable memory for thunks: one memfd mapped twice, so that no page is
 * ever writable and executable at one address.
 *
 * Thunks have no guest state in them, so all vCPUs of the process share one
 * arena and one index by content.  Operations with 8-bit immediates make most
 * of the number that a hostile guest can cause: under 200,000, which fit.
 * All system calls are made when the first vCPU is created: later a seccomp
 * filter of the VMM may forbid them.
 */
#include "x86/native/thunk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "x86/native/native.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u		/* Linux 6.3; EINVAL before */
#endif

enum {
	ARENA_SIZE	= 32 << 20,	/* touched pages only are allocated */
	INDEX_SIZE	= 1 << 19,
	THUNK_ALIGN	= 16,
};

struct thunk_ref {
	u32 hash;
	u32 offset;		/* into the arena */
	u32 size;		/* 0: free */
};

static struct {
	pthread_mutex_t lock;
	u8 *rw, *rx;
	struct thunk_ref *index;	/* open addressing */
	u32 used, count;
	int error;		/* negative errno of the failed attempt */
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int arena_memfd(void)
{
	int fd = memfd_create("anykvm-thunks", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("anykvm-thunks", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, ARENA_SIZE) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int arena_map(void)
{
	const size_t index_bytes = INDEX_SIZE * sizeof(struct thunk_ref);
	int fd = arena_memfd(), err;
	void *rw, *rx, *index;

	if (fd < 0)
		return -errno;
	rw = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rx = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	index = mmap(NULL, index_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	err = errno;
	close(fd);
	if (rw != MAP_FAILED && rx != MAP_FAILED && index != MAP_FAILED) {
		arena.rw = rw;
		arena.rx = rx;
		arena.index = index;
		return 0;
	}
	if (rw != MAP_FAILED)
		munmap(rw, ARENA_SIZE);
	if (rx != MAP_FAILED)
		munmap(rx, ARENA_SIZE);
	if (index != MAP_FAILED)
		munmap(index, index_bytes);
	return -err;
}

/* Makes the arena if there is none yet. 0 or a negative errno. */
int arena_get(void)
{
	int ret;

	pthread_mutex_lock(&arena.lock);
	if (!arena.rx && !arena.error)
		arena.error = arena_map();
	ret = arena.error;
	/* Too many descriptors or mappings can pass; a policy does not. */
	if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM)
		arena.error = 0;
	pthread_mutex_unlock(&arena.lock);
	return ret;
}

static u32 content_hash(const u8 *b, u32 n)
{
	u32 h = 2166136261u;	/* FNV-1a */

	while (n--)
		h = (h ^ *b++) * 16777619u;
	return h;
}

static void *arena_add(struct thunk_ref *r, u32 hash, const struct emit *e)
{
	u32 at = arena.used;

	if (at + e->n > ARENA_SIZE || arena.count >= INDEX_SIZE / 2)
		return NULL;
	memcpy(arena.rw + at, e->b, e->n);
	*r = (struct thunk_ref){ .hash = hash, .offset = at, .size = e->n };
	arena.used = (at + e->n + THUNK_ALIGN - 1) & ~(THUNK_ALIGN - 1);
	arena.count++;
	return arena.rx + at;
}

void *arena_thunk(const struct emit *e)
{
	u32 hash = content_hash(e->b, e->n), i = hash;
	struct thunk_ref *r;
	void *ret = NULL;

	pthread_mutex_lock(&arena.lock);
	for (;; i++) {
		r = &arena.index[i % INDEX_SIZE];
		if (!r->size) {
			ret = arena_add(r, hash, e);
			break;
		}
		if (r->hash == hash && r->size == e->n &&
		    !memcmp(arena.rw + r->offset, e->b, e->n)) {
			ret = arena.rx + r->offset;
			break;
		}
	}
	pthread_mutex_unlock(&arena.lock);
	return ret;
}

/* -- native.h: what a vCPU holds of it ---------------------------------------- */

struct native {
	u32 unused;	/* the arena is the process's; a vCPU adds nothing yet */
};

bool native_available(void)
{
	return arena_get() == 0;
}

struct native *native_create(void)
{
	int err = arena_get();

	if (err) {
		errno = -err;
		return NULL;
	}
	return calloc(1, sizeof(struct native));
}

void native_destroy(struct native *n)
{
	free(n);
}

/* Thunks are shared and bounded in number: they outlive the block cache. */
void native_flush(struct native *n)
{
}
