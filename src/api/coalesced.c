/* SPDX-License-Identifier: MIT */
/*
 * Coalesced MMIO and PIO (api.rst 4.116).  The ring is one page per VM, made
 * when somebody first asks for it.  The VMM writes the page as well: `first'
 * is its word, and `last', ours, is checked before it is used as an index.
 */
#include "api/coalesced.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/fd.h"
#include "api/handlers.h"

#define MAX_ZONES	1000	/* KVM's NR_IOBUS_DEVS, for MMIO and for ports */
#define RING_ENTRIES	((PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) / \
			 sizeof(struct kvm_coalesced_mmio))

struct coalesced {
	pthread_mutex_t lock;
	struct kvm_coalesced_mmio_ring *ring;
	int fd;
	u32 nr_zones;			/* read without the lock */
	u32 nr_pio;			/* of them */
	struct kvm_coalesced_mmio_zone zones[2 * MAX_ZONES];
};

int coalesced_create(struct vm *vm)
{
	struct coalesced *c = malloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->ring = NULL;
	c->fd = -1;
	c->nr_zones = c->nr_pio = 0;
	vm->coalesced = c;
	return 0;
}

void coalesced_destroy(struct vm *vm)
{
	struct coalesced *c = vm->coalesced;

	if (c->ring)
		munmap(c->ring, PAGE_SIZE);
	if (c->fd >= 0)
		close(c->fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
	vm->coalesced = NULL;
}

static int ring_create_locked(struct coalesced *c)
{
	void *map;
	int fd;

	if (c->ring)
		return 0;
	fd = kfile_memfd("anykvm-coalesced-ring", PAGE_SIZE);
	if (fd < 0)
		return fd;
	map = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	c->ring = map;
	c->fd = fd;
	return 0;
}

int coalesced_ring_fd(struct vm *vm)
{
	struct coalesced *c = vm->coalesced;
	int ret;

	pthread_mutex_lock(&c->lock);
	ret = ring_create_locked(c);
	pthread_mutex_unlock(&c->lock);
	return ret < 0 ? ret : c->fd;
}

/* Does @z contain [@addr, @addr + @len)?  All sums may wrap; KVM: @len is signed. */
static bool zone_contains(const struct kvm_coalesced_mmio_zone *z, gpa_t addr, s32 len)
{
	return len >= 0 && addr >= z->addr && addr + len >= addr &&
	       addr + len <= z->addr + z->size;
}

static bool in_zone_locked(const struct coalesced *c, bool pio, gpa_t addr, u32 len)
{
	for (u32 i = 0; i < c->nr_zones; i++) {
		if (c->zones[i].pio == pio && zone_contains(&c->zones[i], addr, len))
			return true;
	}
	return false;
}

static bool ring_put_locked(struct kvm_coalesced_mmio_ring *ring, bool pio,
			    gpa_t addr, const void *data, u32 len)
{
	u32 last = READ_ONCE(ring->last);
	u32 next = (last + 1) % RING_ENTRIES;
	struct kvm_coalesced_mmio *e;

	if (last >= RING_ENTRIES || next == READ_ONCE(ring->first))
		return false;
	e = &ring->coalesced_mmio[last];
	e->phys_addr = addr;
	e->len = len;
	memcpy(e->data, data, len);
	e->pio = pio;
	/* The VMM reads the entry once it sees the new index. */
	__atomic_store_n(&ring->last, next, __ATOMIC_RELEASE);
	return true;
}

bool coalesced_write(struct vm *vm, bool pio, gpa_t addr, const void *data, u32 len)
{
	struct coalesced *c = vm->coalesced;
	bool done;

	if (!__atomic_load_n(&c->nr_zones, __ATOMIC_ACQUIRE) || !len || len > 8)
		return false;
	pthread_mutex_lock(&c->lock);
	done = in_zone_locked(c, pio, addr, len) &&
	       ring_put_locked(c->ring, pio, addr, data, len);
	pthread_mutex_unlock(&c->lock);
	return done;
}

static bool bus_is_full_locked(const struct coalesced *c, bool pio)
{
	return (pio ? c->nr_pio : c->nr_zones - c->nr_pio) >= MAX_ZONES;
}

long vm_register_coalesced_mmio(struct kfile *f, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;
	struct coalesced *c = f->vm->coalesced;
	long ret;

	if (zone->pio > 1)
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	ret = bus_is_full_locked(c, zone->pio) ? -ENOSPC : ring_create_locked(c);
	if (!ret) {
		c->nr_pio += zone->pio;
		c->zones[c->nr_zones] = *zone;
		__atomic_store_n(&c->nr_zones, c->nr_zones + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&c->lock);
	return ret;
}

long vm_unregister_coalesced_mmio(struct kfile *f, void *arg)
{
	const struct kvm_coalesced_mmio_zone *zone = arg;
	struct coalesced *c = f->vm->coalesced;
	u32 kept = 0;

	if (zone->pio > 1)
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	for (u32 i = 0; i < c->nr_zones; i++) {
		if (c->zones[i].pio != zone->pio ||
		    !zone_contains(&c->zones[i], zone->addr, zone->size))
			c->zones[kept++] = c->zones[i];
		else
			c->nr_pio -= zone->pio;
	}
	__atomic_store_n(&c->nr_zones, kept, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&c->lock);
	return 0;
}
