/* SPDX-License-Identifier: MIT */
/*
 * Event channels that the guest sends to (KVM_XEN_ATTR_TYPE_EVTCHN, api.rst
 * 4.126): a port of its own, or an eventfd.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/eventfd.h"
#include "x86/xen/internal.h"

struct xen_outbound {
	struct xen_outbound *next;
	u32 send_port;
	u32 type;
	u32 port;		/* 0: eventfd */
	u32 vcpu_id;
	int eventfd;
};

static struct xen_outbound **bucket(struct xen_vm *x, u32 port)
{
	return &x->outbound[port % XEN_OUTBOUND_BUCKETS];
}

/* Where the link to it is, or to the end of the list. */
static struct xen_outbound **find(struct xen_vm *x, u32 port)
{
	struct xen_outbound **link = bucket(x, port);

	while (*link && (*link)->send_port != port)
		link = &(*link)->next;
	return link;
}

static void outbound_free(struct xen_outbound *o)
{
	if (o->eventfd >= 0)
		close(o->eventfd);
	free(o);
}

static long deassign(struct xen_vm *x, u32 port)
{
	struct xen_outbound **link, *o;

	pthread_rwlock_wrlock(&x->lock);
	link = find(x, port);
	o = *link;
	if (o)
		*link = o->next;
	pthread_rwlock_unlock(&x->lock);
	if (!o)
		return -ENOENT;
	outbound_free(o);
	return 0;
}

void xen_outbound_reset(struct xen_vm *x)
{
	struct xen_outbound *o, *next;

	for (u32 i = 0; i < XEN_OUTBOUND_BUCKETS; i++) {
		pthread_rwlock_wrlock(&x->lock);
		o = x->outbound[i];
		x->outbound[i] = NULL;
		pthread_rwlock_unlock(&x->lock);
		for (; o; o = next) {
			next = o->next;
			outbound_free(o);
		}
	}
}

/* Only the vCPU may change, and only of a port. */
static long update(struct xen_vm *x, const struct kvm_xen_hvm_attr *a)
{
	struct xen_outbound *o;
	long ret = 0;

	pthread_rwlock_wrlock(&x->lock);
	o = *find(x, a->u.evtchn.send_port);
	if (!o)
		ret = -ENOENT;
	else if (o->type != a->u.evtchn.type || !o->port ||
		 o->port != a->u.evtchn.deliver.port.port ||
		 a->u.evtchn.deliver.port.priority != XEN_PRIO_2LEVEL)
		ret = -EINVAL;
	else
		o->vcpu_id = a->u.evtchn.deliver.port.vcpu;
	pthread_rwlock_unlock(&x->lock);
	return ret;
}

/* The target: its type, then the eventfd or port, then the priority. */
static long set_target(struct vm *vm, struct xen_outbound *o, const struct kvm_xen_hvm_attr *a)
{
	u32 port = a->u.evtchn.deliver.port.port, unused;

	switch (a->u.evtchn.type) {
	case XEN_EVTCHN_IPI:
		if (port != o->send_port)
			return -EINVAL;
		break;
	case XEN_EVTCHN_INTERDOMAIN:
		if (port >= xen_max_port(vm))
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	if (!port) {
		o->eventfd = eventfd_take(a->u.evtchn.deliver.eventfd.fd, &unused);
		return o->eventfd < 0 ? o->eventfd : 0;
	}
	if (a->u.evtchn.deliver.port.priority != XEN_PRIO_2LEVEL)
		return -EINVAL;
	o->port = port;
	o->vcpu_id = a->u.evtchn.deliver.port.vcpu;
	return 0;
}

static long insert(struct xen_vm *x, struct xen_outbound *o)
{
	struct xen_outbound **link;
	long ret = 0;

	pthread_rwlock_wrlock(&x->lock);
	link = find(x, o->send_port);
	if (*link)
		ret = -EEXIST;
	else
		*link = o;
	pthread_rwlock_unlock(&x->lock);
	return ret;
}

static long assign(struct vm *vm, const struct kvm_xen_hvm_attr *a)
{
	struct xen_outbound *o = calloc(1, sizeof(*o));
	long ret;

	if (!o)
		return -ENOMEM;
	o->send_port = a->u.evtchn.send_port;
	o->type = a->u.evtchn.type;
	o->eventfd = -1;
	ret = set_target(vm, o, a);
	if (!ret)
		ret = insert(vm_xen(vm), o);
	if (ret)
		outbound_free(o);
	return ret;
}

long xen_outbound_set(struct vm *vm, const struct kvm_xen_hvm_attr *a)
{
	struct xen_vm *x = vm_xen(vm);
	u32 port = a->u.evtchn.send_port;

	if (a->u.evtchn.flags == KVM_XEN_EVTCHN_RESET) {
		xen_outbound_reset(x);
		return 0;
	}
	if (!port || port >= xen_max_port(vm))
		return -EINVAL;
	switch (a->u.evtchn.flags) {
	case KVM_XEN_EVTCHN_DEASSIGN:
		return deassign(x, port);
	case KVM_XEN_EVTCHN_UPDATE:
		return update(x, a);
	case 0:
		return assign(vm, a);
	default:
		return -EINVAL;
	}
}

bool xen_outbound_send(struct cpu *c, u32 port)
{
	struct vm *vm = c->vcpu->vm;
	struct xen_vm *x = vm_xen(vm);
	const struct xen_outbound *o;
	struct xen_outbound to = { 0 };
	bool found;
	int ret;

	pthread_rwlock_rdlock(&x->lock);
	o = *find(x, port);
	found = o;
	if (found) {
		to = *o;
		if (!to.port)
			eventfd_fire(to.eventfd);
	}
	pthread_rwlock_unlock(&x->lock);
	if (!found || !to.port)
		return found;
	ret = xen_evtchn_raise(vm, c->vcpu, to.vcpu_id, to.port);
	return ret >= 0 || ret == -ENOTCONN;
}
