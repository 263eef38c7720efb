/* SPDX-License-Identifier: MIT */
/*
 * What mmap() of a vCPU shows (api.rst 4.5, 8.29):
 *   page 0, 1	kvm_run and PIO data, which are the vCPU's own file
 *   page 2	the coalesced ring: one per VM
 *   page 64..	the dirty ring
 * The latter two are other files, mapped over what the vCPU's file has there.
 * That is nothing: all other pages raise SIGBUS.  If nothing is left of the
 * vCPU's file, whose mappings keep the VM alive, theirs do.
 */
#include "api/vcpu_mmap.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/coalesced.h"
#include "api/dirty_ring.h"
#include "api/fd.h"

#define COALESCED_OFFSET	(KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE)
#define DIRTY_RING_OFFSET	(KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE)

/* The part [@begin, @end) of a mapping that shows @fd from @fd_offset on. */
struct window {
	u64 begin, end;
	int fd;
	off_t fd_offset;
};

static int map_over(u8 *map, u64 length, int prot, int flags, int fd, off_t offset)
{
	flags = (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
	return mmap(map, length, prot, flags, fd, offset) == MAP_FAILED ? -errno : 0;
}

static int overlay(struct vm *vm, u8 *map, u64 length, int prot, int flags, u64 offset,
		   const struct window *w)
{
	u64 begin = MAX(offset, w->begin), end = MIN(offset + length, w->end);
	int fd = w->fd, ret;

	if (begin >= end)
		return 0;
	if (begin == offset && end == offset + length && fd >= 0)
		fd = kfile_open_to_map(vm, fd);
	if (fd < 0)
		return fd;
	ret = map_over(map + (begin - offset), end - begin, prot, flags, fd,
		       w->fd_offset + (off_t)(begin - w->begin));
	if (fd != w->fd)
		close(fd);
	return ret;
}

static int overlay_coalesced(struct vm *vm, u8 *map, u64 length, int prot, int flags,
			     u64 offset)
{
	struct window w = { COALESCED_OFFSET, COALESCED_OFFSET + PAGE_SIZE, -1, 0 };

	if (offset >= w.end || offset + length <= w.begin)
		return 0;
	w.fd = coalesced_ring_fd(vm);
	return overlay(vm, map, length, prot, flags, offset, &w);
}

static int overlay_dirty_ring(const struct vcpu *vcpu, u8 *map, u64 length, int prot,
			      int flags, u64 offset)
{
	struct window w = { .begin = DIRTY_RING_OFFSET };

	if (!vcpu->dirty_ring)
		return 0;
	w.end = w.begin + dirty_ring_bytes(vcpu->vm);
	w.fd = dirty_ring_fd(vcpu->vm);
	w.fd_offset = dirty_ring_offset(vcpu);
	return overlay(vcpu->vm, map, length, prot, flags, offset, &w);
}

static bool in_dirty_ring(const struct vm *vm, u64 offset)
{
	return offset >= DIRTY_RING_OFFSET &&
	       offset < DIRTY_RING_OFFSET + dirty_ring_bytes(vm);
}

/* KVM looks at the first page and the last one. */
static bool refused(const struct vm *vm, u64 length, int prot, int flags, u64 offset)
{
	if (!in_dirty_ring(vm, offset) && !in_dirty_ring(vm, offset + length - PAGE_SIZE))
		return false;
	return (prot & PROT_EXEC) || (flags & MAP_TYPE) == MAP_PRIVATE;
}

void *vcpu_mmap(struct kfile *f, void *addr, size_t length, int prot, int flags,
		int fd, off_t offset)
{
	const u64 whole = (length + PAGE_SIZE - 1) & PAGE_MASK;
	void *map;
	int ret;

	if (f->vcpu && refused(f->vm, whole, prot, flags, offset)) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	map = mmap(addr, length, prot, flags, fd, offset);
	if (map == MAP_FAILED || !f->vcpu)
		return map;
	ret = overlay_coalesced(f->vm, map, whole, prot, flags, offset);
	if (!ret)
		ret = overlay_dirty_ring(f->vcpu, map, whole, prot, flags, offset);
	if (!ret)
		return map;
	munmap(map, length);
	errno = -ret;
	return MAP_FAILED;
}
