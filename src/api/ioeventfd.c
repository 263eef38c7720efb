/* SPDX-License-Identifier: MIT */
/*
 * ioeventfd (api.rst 4.59).  Guests ring these doorbells all the time, so the
 * look-up takes no lock: it searches an immutable array sorted by address.  A
 * change publishes a new array and frees the old one once no vCPU can be in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/eventfds.h"
#include "api/handlers.h"

/* Our own descriptor of an eventfd, one for all that name it. */
struct ioeventfd_target {
	struct ioeventfd_target *next;
	u32 id;
	u32 users;
	struct eventfd_out out;
};

struct ioeventfd {
	gpa_t addr;
	u32 len;		/* 0: any */
	bool wildcard;		/* no data match */
	u64 datamatch;
	struct eventfd_out out;	/* the target's */
	struct ioeventfd_target *target;
};

struct ioeventfds {
	u32 count;
	struct ioeventfd e[];
};

/* The first entry at or above @addr. */
static u32 lower_bound(const struct ioeventfds *s, gpa_t addr)
{
	u32 lo = 0, hi = s->count;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (s->e[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool ioeventfd_write(struct vm *vm, bool pio, gpa_t addr, u32 len, u64 data)
{
	const struct ioeventfds *s =
		__atomic_load_n(&vm->eventfds->io[pio ? BUS_PIO : BUS_MMIO],
				__ATOMIC_ACQUIRE);

	if (!s)
		return false;
	if (len < 8)
		data &= BIT_ULL(8 * len) - 1;
	for (u32 i = lower_bound(s, addr); i < s->count && s->e[i].addr == addr; i++) {
		const struct ioeventfd *e = &s->e[i];

		if (e->len && e->len != len)
			continue;
		if (e->wildcard || e->datamatch == data) {
			eventfd_fire(&e->out);
			return true;
		}
	}
	return false;
}

static bool collides(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len &&
	       (a->wildcard || b->wildcard || a->datamatch == b->datamatch);
}

static void publish(struct vm *vm, enum io_bus bus, struct ioeventfds *new)
{
	struct ioeventfds *old = vm->eventfds->io[bus];

	__atomic_store_n(&vm->eventfds->io[bus], new, __ATOMIC_RELEASE);
	if (old)
		vm_sync_vcpus(vm);
	free(old);
}

/* Consumes @out. */
static struct ioeventfd_target *target_get_locked(struct eventfds *e, struct eventfd_out out,
						  u32 id)
{
	struct ioeventfd_target *t;

	for (t = e->targets; t; t = t->next) {
		if (t->id == id) {
			close(out.fd);
			t->users++;
			return t;
		}
	}
	t = malloc(sizeof(*t));
	if (!t) {
		close(out.fd);
		return NULL;
	}
	*t = (struct ioeventfd_target){ e->targets, id, 1, out };
	e->targets = t;
	return t;
}

static void target_put_locked(struct eventfds *e, struct ioeventfd_target *t)
{
	struct ioeventfd_target **link = &e->targets;

	if (--t->users)
		return;
	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	close(t->out.fd);
	free(t);
}

static int add_locked(struct vm *vm, enum io_bus bus, const struct ioeventfd *e)
{
	const struct ioeventfds *old = vm->eventfds->io[bus];
	u32 count = old ? old->count : 0, pos = 0;
	struct ioeventfds *new;

	for (u32 i = 0; i < count; i++) {
		if (collides(&old->e[i], e))
			return -EEXIST;
	}
	new = malloc(sizeof(*new) + (count + 1) * sizeof(*e));
	if (!new)
		return -ENOMEM;
	if (old) {
		pos = lower_bound(old, e->addr);
		memcpy(new->e, old->e, pos * sizeof(*e));
		memcpy(new->e + pos + 1, old->e + pos, (count - pos) * sizeof(*e));
	}
	new->e[pos] = *e;
	new->count = count + 1;
	publish(vm, bus, new);
	return 0;
}

static int remove_locked(struct vm *vm, enum io_bus bus, u32 pos)
{
	const struct ioeventfds *old = vm->eventfds->io[bus];
	struct ioeventfds *new = NULL;
	struct ioeventfd_target *target = old->e[pos].target;

	if (old->count > 1) {
		new = malloc(sizeof(*new) + (old->count - 1) * sizeof(old->e[0]));
		if (!new)
			return -ENOMEM;
		new->count = old->count - 1;
		memcpy(new->e, old->e, pos * sizeof(old->e[0]));
		memcpy(new->e + pos, old->e + pos + 1,
		       (new->count - pos) * sizeof(old->e[0]));
	}
	publish(vm, bus, new);
	target_put_locked(vm->eventfds, target);
	return 0;
}

static enum io_bus bus_of(const struct kvm_ioeventfd *args)
{
	if (args->flags & KVM_IOEVENTFD_FLAG_PIO)
		return BUS_PIO;
	return args->flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? BUS_VIRTIO_CCW : BUS_MMIO;
}

static int check_assign(const struct kvm_ioeventfd *args)
{
	if (args->len > 8 || (args->len & (args->len - 1)))
		return -EINVAL;
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	if (args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK)
		return -EINVAL;
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	return 0;
}

static long assign_locked(struct vm *vm, enum io_bus bus, struct ioeventfd *e,
			  struct eventfd_out out, u32 id)
{
	long ret;

	e->target = target_get_locked(vm->eventfds, out, id);
	if (!e->target)
		return -ENOMEM;
	e->out = e->target->out;
	ret = add_locked(vm, bus, e);
	if (ret < 0)
		target_put_locked(vm->eventfds, e->target);
	return ret;
}

static long assign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd e = {
		.addr = args->addr,
		.len = args->len,
		.wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.datamatch = args->datamatch,
	};
	long ret = check_assign(args);
	struct eventfd_out out;
	u32 id;

	if (ret < 0)
		return ret;
	ret = eventfd_take_out(&out, args->fd, &id);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&vm->slots_lock);
	ret = assign_locked(vm, bus_of(args), &e, out, id);
	pthread_mutex_unlock(&vm->slots_lock);
	return ret;
}

static bool names(const struct ioeventfd *e, const struct kvm_ioeventfd *args, u32 id)
{
	bool wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);

	return e->target->id == id && e->addr == args->addr && e->len == args->len &&
	       e->wildcard == wildcard &&
	       (wildcard || e->datamatch == args->datamatch);
}

static long deassign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	const enum io_bus bus = bus_of(args);
	u32 id;
	long ret = eventfd_identify(args->fd, &id);

	if (ret < 0)
		return ret;
	ret = -ENOENT;
	pthread_mutex_lock(&vm->slots_lock);
	for (u32 i = 0; vm->eventfds->io[bus] && i < vm->eventfds->io[bus]->count; i++) {
		if (names(&vm->eventfds->io[bus]->e[i], args, id)) {
			ret = remove_locked(vm, bus, i);
			break;
		}
	}
	pthread_mutex_unlock(&vm->slots_lock);
	return ret;
}

long vm_ioeventfd(struct kfile *f, void *arg)
{
	const struct kvm_ioeventfd *args = arg;

	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return deassign(f->vm, args);
	return assign(f->vm, args);
}

void ioeventfds_destroy(struct eventfds *e)
{
	struct ioeventfd_target *t;

	for (int bus = 0; bus < NR_BUSES; bus++) {
		free(e->io[bus]);
		e->io[bus] = NULL;
	}
	while ((t = e->targets)) {
		e->targets = t->next;
		close(t->out.fd);
		free(t);
	}
}
