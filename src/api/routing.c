/* SPDX-License-Identifier: MIT */
/*
 * GSI routing (api.rst 4.52).  The entries are grouped by GSI in one array,
 * with the start of each group in another.  Deliveries copy their group out of
 * the lock, because the chips may look into the table again.
 */
#include "api/routing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/arch.h"
#include "api/handlers.h"
#include "util/guard.h"

/* A GSI reaches at most one pin on each irqchip, or one MSI. */
#define MAX_PER_GSI	3

struct routing {
	pthread_mutex_t lock;
	struct table *table;		/* NULL: empty */
};

struct table {
	u32 nr;
	u16 start[KVM_MAX_GSI + 1];
	struct kvm_irq_routing_entry entry[];
};

int routing_create(struct vm *vm)
{
	vm->routing = calloc(1, sizeof(*vm->routing));
	if (!vm->routing)
		return -ENOMEM;
	pthread_mutex_init(&vm->routing->lock, NULL);
	return 0;
}

void routing_destroy(struct vm *vm)
{
	pthread_mutex_destroy(&vm->routing->lock);
	free(vm->routing->table);
	free(vm->routing);
	vm->routing = NULL;
}

/* A counting sort by GSI; entries of one GSI keep their order. */
static struct table *build(const struct kvm_irq_routing_entry *e, u32 n)
{
	struct table *t = calloc(1, sizeof(*t) + n * sizeof(*e));
	u16 next[KVM_MAX_GSI];

	if (!t)
		return NULL;
	t->nr = n;
	for (u32 i = 0; i < n; i++)
		t->start[e[i].gsi + 1]++;
	for (u32 gsi = 0; gsi < KVM_MAX_GSI; gsi++)
		t->start[gsi + 1] += t->start[gsi];
	memcpy(next, t->start, sizeof(next));
	for (u32 i = 0; i < n; i++)
		t->entry[next[e[i].gsi]++] = e[i];
	return t;
}

int routing_set(struct vm *vm, const struct kvm_irq_routing_entry *e, u32 n)
{
	struct table *new = NULL, *old;

	if (n) {
		new = build(e, n);
		if (!new)
			return -ENOMEM;
	}
	pthread_mutex_lock(&vm->routing->lock);
	old = vm->routing->table;
	vm->routing->table = new;
	pthread_mutex_unlock(&vm->routing->lock);
	free(old);
	arch_routes_changed(vm);
	return 0;
}

static u32 copy_group(struct vm *vm, u32 gsi,
		      struct kvm_irq_routing_entry group[MAX_PER_GSI])
{
	const struct table *t;
	u32 n = 0;

	if (gsi >= KVM_MAX_GSI)
		return 0;
	pthread_mutex_lock(&vm->routing->lock);
	t = vm->routing->table;
	if (t) {
		n = MIN(t->start[gsi + 1] - t->start[gsi], MAX_PER_GSI);
		memcpy(group, &t->entry[t->start[gsi]], n * sizeof(*group));
	}
	pthread_mutex_unlock(&vm->routing->lock);
	return n;
}

int routing_set_irq(struct vm *vm, u32 gsi, int source, int level)
{
	struct kvm_irq_routing_entry group[MAX_PER_GSI];
	u32 n = copy_group(vm, gsi, group);
	int ret = -1;

	for (u32 i = 0; i < n; i++) {
		int r = arch_set_irq(vm, &group[i], source, level);

		if (r >= 0)
			ret = r + MAX(ret, 0);
	}
	return ret;
}

u32 routing_gsis_of_pin(struct vm *vm, u32 irqchip, u32 pin, u32 *gsis, u32 max)
{
	const struct table *t;
	u32 n = 0;

	pthread_mutex_lock(&vm->routing->lock);
	t = vm->routing->table;
	for (u32 i = 0; t && i < t->nr && n < max; i++) {
		const struct kvm_irq_routing_entry *e = &t->entry[i];

		if (e->type == KVM_IRQ_ROUTING_IRQCHIP &&
		    e->u.irqchip.irqchip == irqchip && e->u.irqchip.pin == pin)
			gsis[n++] = e->gsi;
	}
	pthread_mutex_unlock(&vm->routing->lock);
	return n;
}

void routing_for_each(struct vm *vm,
		      void (*fn)(const struct kvm_irq_routing_entry *e, void *ctx),
		      void *ctx)
{
	const struct table *t;

	pthread_mutex_lock(&vm->routing->lock);
	t = vm->routing->table;
	for (u32 i = 0; t && i < t->nr; i++)
		fn(&t->entry[i], ctx);
	pthread_mutex_unlock(&vm->routing->lock);
}

/* -- ioctls ------------------------------------------------------------------- */

/* May @b join @a on the same GSI?  Only as pins of different chips. */
static bool may_share_gsi(const struct kvm_irq_routing_entry *a,
			  const struct kvm_irq_routing_entry *b)
{
	return a->type == KVM_IRQ_ROUTING_IRQCHIP &&
	       b->type == KVM_IRQ_ROUTING_IRQCHIP &&
	       a->u.irqchip.irqchip != b->u.irqchip.irqchip;
}

static long check_entries(struct vm *vm, const struct kvm_irq_routing_entry *e, u32 n)
{
	/* Index plus one of the entries seen so far, by GSI. */
	u16 (*seen)[MAX_PER_GSI] = calloc(KVM_MAX_GSI, sizeof(*seen));
	long ret = seen ? 0 : -ENOMEM;

	for (u32 i = 0; i < n && !ret; i++) {
		const u32 flags = e[i].type == KVM_IRQ_ROUTING_MSI ? KVM_MSI_VALID_DEVID : 0;
		u32 k;

		ret = -EINVAL;
		if (e[i].gsi >= KVM_MAX_GSI || (e[i].flags & ~flags) ||
		    arch_check_route(vm, &e[i]) < 0)
			break;
		for (k = 0; k < MAX_PER_GSI && seen[e[i].gsi][k]; k++) {
			if (!may_share_gsi(&e[seen[e[i].gsi][k] - 1], &e[i]))
				goto out;
		}
		if (k == MAX_PER_GSI)
			break;
		seen[e[i].gsi][k] = i + 1;
		ret = 0;
	}
out:
	free(seen);
	return ret;
}

long vm_set_gsi_routing(struct kfile *f, void *arg)
{
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry *e = NULL;
	size_t size;
	long ret;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!arch_irqchip_in_kernel(f->vm))
		return -EINVAL;
	if (head.nr > KVM_MAX_GSI || head.flags)
		return -EINVAL;
	size = head.nr * sizeof(*e);
	if (size) {
		e = malloc(size);
		if (!e)
			return -ENOMEM;
		ret = copy_from_user(e, (u8 *)arg + sizeof(head), size);
		if (!ret)
			ret = check_entries(f->vm, e, head.nr);
		if (ret)
			goto out;
	}
	ret = routing_set(f->vm, e, head.nr);
out:
	free(e);
	return ret;
}

long vm_irq_line(struct kfile *f, void *arg)
{
	const struct kvm_irq_level *l = arg;

	if (!arch_irqchip_in_kernel(f->vm))
		return -ENXIO;
	routing_set_irq(f->vm, l->irq, IRQ_SOURCE_USERSPACE, !!l->level);
	return 0;
}

long vm_irq_line_status(struct kfile *f, void *arg)
{
	struct kvm_irq_level *l = arg;

	if (!arch_irqchip_in_kernel(f->vm))
		return -ENXIO;
	l->status = routing_set_irq(f->vm, l->irq, IRQ_SOURCE_USERSPACE, !!l->level);
	return 0;
}

/* -1, nobody there, reaches the VMM as it does in KVM: as EPERM. */
long vm_signal_msi(struct kfile *f, void *arg)
{
	const struct kvm_msi *msi = arg;
	struct kvm_irq_routing_entry route = {
		.type = KVM_IRQ_ROUTING_MSI,
		.flags = msi->flags,
		.u.msi = {
			.address_lo = msi->address_lo,
			.address_hi = msi->address_hi,
			.data = msi->data,
			.devid = msi->devid,
		},
	};

	if (!arch_irqchip_in_kernel(f->vm) || (msi->flags & ~KVM_MSI_VALID_DEVID) ||
	    arch_check_route(f->vm, &route) < 0)
		return -EINVAL;
	return arch_set_irq(f->vm, &route, IRQ_SOURCE_USERSPACE, 1);
}
