/* SPDX-License-Identifier: MIT */
/*
 * The memory of a vCPU's translator.  The code is a memfd mapped twice, so that
 * nothing is ever writable and executable at one address.
 *
 * All system calls are made here, when the vCPU is created: later a seccomp
 * filter of the VMM may forbid them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/spare.h"
#include "x86/jit/arena.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u		/* Linux 6.3; EINVAL before */
#endif

#define SPARE_MAX	(256 << 10)	/* bytes of code */

static int code_fd(size_t size)
{
	int fd = memfd_create("anykvm-code", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("anykvm-code", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, size) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool jit_host_permits(void)
{
	int fd = code_fd(PAGE_SIZE);
	void *p;

	if (fd < 0)
		return false;
	p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return false;
	munmap(p, PAGE_SIZE);
	return true;
}

static void *anonymous(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static bool map_code(struct jit *j, int fd)
{
	u8 *exec = mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	u8 *rw;

	if (exec == MAP_FAILED)
		return false;
	rw = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rw == MAP_FAILED) {
		munmap(exec, CODE_SIZE);
		return false;
	}
	j->rw = rw;
	j->pool_used = POOL_FIRST;
	j->nr_edges = 1;
	j->exec_delta = exec - rw;
	return true;
}

static bool map_all(struct jit *j)
{
	int fd = code_fd(CODE_SIZE);
	bool ok = fd >= 0 && map_code(j, fd);

	if (fd >= 0)
		close(fd);
	if (!ok)
		return false;
	j->pool = anonymous(POOL_SIZE);
	j->edges = anonymous(MAX_EDGES * sizeof(struct edge));
	return j->pool != MAP_FAILED && j->edges != MAP_FAILED;
}

static void unmap(void *p, size_t size)
{
	if (p && p != MAP_FAILED)
		munmap(p, size);
}

static void jit_unmap(struct jit *j)
{
	unmap(j->rw, CODE_SIZE);
	unmap(j->rw ? j->rw + j->exec_delta : NULL, CODE_SIZE);
	unmap(j->pool, POOL_SIZE);
	unmap(j->edges, MAX_EDGES * sizeof(struct edge));
	munmap(j, sizeof(*j));
}

static struct jit *jit_map(void)
{
	struct jit *j = anonymous(sizeof(*j));
	int err;

	if (j == MAP_FAILED)
		return NULL;
	if (!map_all(j)) {
		err = errno;
		jit_unmap(j);
		errno = err;
		return NULL;
	}
	return j;
}

/* What few blocks were made in is kept for the next vCPU. */
static struct spares spares;

struct jit *jit_alloc(struct cpu *c)
{
	struct jit *j = spare_take(&spares);

	if (!j)
		j = jit_map();
	if (!j)
		return NULL;
	j->t = c->tables;
	if (!j->used)
		glue_make(j, c);
	page_forget(j);
	return j;
}

void jit_free(struct jit *j)
{
	bool small = j->used <= SPARE_MAX;

	jit_flush(j);
	j->t = NULL;
	j->class = 0;
	if (!small || !spare_keep(&spares, j))
		jit_unmap(j);
}

void *pool_alloc(struct jit *j, size_t n)
{
	void *p = j->pool + j->pool_used;

	n = (n + 15) & ~15ul;
	if (j->pool_used + n > POOL_SIZE)
		return NULL;
	j->pool_used += n;
	return p;
}

void jit_flush(struct jit *j)
{
	if (j->pool_used > POOL_FIRST) {
		recent_flush(j);
		tu_forget_all(j);
		memset(j->pages, 0, sizeof(j->pages));
		memset(j->hosts, 0, sizeof(j->hosts));
	}
	j->pool_used = POOL_FIRST;
	j->nr_edges = 1;
	j->used = j->glue_used;
	page_forget(j);
}
