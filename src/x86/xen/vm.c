/* SPDX-License-Identifier: MIT */
/* A VM's Xen state: its life, KVM_XEN_HVM_CONFIG and the VM's attributes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/dispatch.h"
#include "x86/xen/internal.h"

#define NSEC_PER_SEC	1000000000ull
#define PERMITTED_FLAGS	(KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND)

/* -- Life ---------------------------------------------------------------------------- */

int xen_vm_create(struct vm *vm)
{
	struct xen_vm *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	pthread_rwlock_init(&x->lock, NULL);
	x->shared_info = XEN_NO_GPA;
	vm->arch->xen = x;
	return 0;
}

void xen_vm_destroy(struct vm *vm)
{
	struct xen_vm *x = vm_xen(vm);

	if (!x)
		return;
	xen_outbound_reset(x);
	pthread_rwlock_destroy(&x->lock);
	free(x);
	vm->arch->xen = NULL;
}

/* -- KVM_XEN_HVM_CONFIG (api.rst 4.28) -------------------------------------------------- */

bool xen_enabled(const struct vm *vm)
{
	return READ_ONCE(vm_xen(vm)->config.msr);
}

bool xen_hypercall_enabled(const struct vm *vm)
{
	return xen_enabled(vm) &&
	       (READ_ONCE(vm_xen(vm)->config.flags) & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL);
}

/* Intercepted hypercalls come from a page that the engine writes. */
static bool has_blob(const struct kvm_xen_hvm_config *c)
{
	return c->blob_addr_32 || c->blob_addr_64 || c->blob_size_32 || c->blob_size_64;
}

/* vCPUs in guest look at the MSR's number and the flags without the lock. */
static void set_config(struct kvm_xen_hvm_config *to, const struct kvm_xen_hvm_config *from)
{
	WRITE_ONCE(to->flags, from->flags);
	WRITE_ONCE(to->msr, from->msr);
	to->blob_addr_32 = from->blob_addr_32;
	to->blob_addr_64 = from->blob_addr_64;
	to->blob_size_32 = from->blob_size_32;
	to->blob_size_64 = from->blob_size_64;
}

long vm_xen_hvm_config(struct kfile *f, void *arg)
{
	const struct kvm_xen_hvm_config *config = arg;
	struct xen_vm *x = vm_xen(f->vm);

	if (config->flags & ~PERMITTED_FLAGS)
		return -EINVAL;
	if ((config->flags & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL) && has_blob(config))
		return -EINVAL;
	pthread_rwlock_wrlock(&x->lock);
	set_config(&x->config, config);
	pthread_rwlock_unlock(&x->lock);
	return 0;
}

/* -- shared_info ---------------------------------------------------------------------------- */

struct wall {
	bool long_mode;
	u64 ns;
};

/* The time of day when the guest's clock was 0, under an odd version. */
static void write_wall(u8 *shared, void *ctx)
{
	const struct wall *w = ctx;
	mem_u32 *wall = (mem_u32 *)(shared + (w->long_mode ? SHARED_WALL64 : SHARED_WALL32));
	mem_u32 *high = (mem_u32 *)(shared + (w->long_mode ? SHARED_WALL_HI64 : SHARED_WALL_HI32));
	u32 version = (READ_ONCE(wall[0]) + 1) | 1;

	WRITE_ONCE(wall[0], version);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(wall[1], (u32)(w->ns / NSEC_PER_SEC));
	WRITE_ONCE(wall[2], (u32)(w->ns % NSEC_PER_SEC));
	WRITE_ONCE(*high, (u32)(w->ns / NSEC_PER_SEC >> 32));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(wall[0], version + 1);
}

/* KVM: an address without memory is remembered all the same. */
static long set_shared_info(struct vm *vm, u64 gfn)
{
	struct xen_vm *x = vm_xen(vm);
	struct wall w = { .ns = clock_wall_ns(vm) };
	struct xen_memory m;
	long ret = 0;

	xen_memory_begin(&m, vm, xen_self(vm));
	pthread_rwlock_wrlock(&x->lock);
	x->shared_info = gfn == XEN_NO_GFN ? XEN_NO_GPA : gfn << PAGE_SHIFT;
	w.long_mode = x->long_mode;
	if (gfn != XEN_NO_GFN && !xen_access(vm, x->shared_info, write_wall, &w))
		ret = -EFAULT;
	pthread_rwlock_unlock(&x->lock);
	xen_memory_end(&m);
	return ret;
}

/* -- Attributes (api.rst 4.126, 4.127) --------------------------------------------------------- */

static void set_long_mode(struct xen_vm *x, bool on)
{
	pthread_rwlock_wrlock(&x->lock);
	WRITE_ONCE(x->long_mode, on);
	pthread_rwlock_unlock(&x->lock);
}

long vm_xen_hvm_set_attr(struct kfile *f, void *arg)
{
	const struct kvm_xen_hvm_attr *a = arg;
	struct xen_vm *x = vm_xen(f->vm);

	switch (a->type) {
	case KVM_XEN_ATTR_TYPE_LONG_MODE:
		set_long_mode(x, a->u.long_mode);
		return 0;
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		return set_shared_info(f->vm, a->u.shared_info.gfn);
	case KVM_XEN_ATTR_TYPE_UPCALL_VECTOR:
		return xen_set_upcall_vector(&x->upcall_vector, a->u.vector);
	case KVM_XEN_ATTR_TYPE_EVTCHN:
		return xen_outbound_set(f->vm, a);
	case KVM_XEN_ATTR_TYPE_XEN_VERSION:
		WRITE_ONCE(x->version, a->u.xen_version);
		return 0;
	default:
		return -ENOENT;
	}
}

long vm_xen_hvm_get_attr(struct kfile *f, void *arg)
{
	struct kvm_xen_hvm_attr *a = arg;
	const struct xen_vm *x = vm_xen(f->vm);
	gpa_t gpa;

	switch (a->type) {
	case KVM_XEN_ATTR_TYPE_LONG_MODE:
		a->u.long_mode = READ_ONCE(x->long_mode);
		return 0;
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		gpa = READ_ONCE(x->shared_info);
		a->u.shared_info.gfn = gpa == XEN_NO_GPA ? XEN_NO_GFN : gpa >> PAGE_SHIFT;
		return 0;
	case KVM_XEN_ATTR_TYPE_UPCALL_VECTOR:
		a->u.vector = READ_ONCE(x->upcall_vector);
		return 0;
	case KVM_XEN_ATTR_TYPE_XEN_VERSION:
		a->u.xen_version = READ_ONCE(x->version);
		return 0;
	default:
		return -ENOENT;
	}
}

/* -- KVM_XEN_HVM_EVTCHN_SEND (api.rst 4.135) ------------------------------------------------------ */

long vm_xen_hvm_evtchn_send(struct kfile *f, void *arg)
{
	const struct kvm_irq_routing_xen_evtchn *e = arg;
	int ret;

	if (!e->port || e->port >= xen_max_port(f->vm) || e->priority != XEN_PRIO_2LEVEL)
		return -EINVAL;
	ret = xen_evtchn_raise(f->vm, xen_self(f->vm), e->vcpu, e->port);
	return ret > 0 || ret == -ENOTCONN ? 0 : ret;
}
