/* SPDX-License-Identifier: MIT */
/*
 * irqfd (api.rst 4.75).  The worker watches our own copy of each eventfd.
 *
 * The VMM may share the eventfd with others and read it too, so the counter is
 * taken without ever waiting (RWF_NOWAIT): the descriptor's own flags are not
 * ours to change.
 *
 * A resample irqfd holds its GSI up until the guest's end of interrupt.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/eventfds.h"
#include "api/handlers.h"
#include "api/routing.h"
#include "api/worker.h"

struct irqfd {
	struct irqfd *next;
	struct worker_watch watch;	/* its fd is our copy */
	struct vm *vm;			/* outlives us */
	u32 id;
	u32 gsi;
	struct eventfd_out resample;	/* none: edge */
};

static bool take_counter(int fd)
{
	u64 count;
	struct iovec iov = { &count, sizeof(count) };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) == sizeof(count))
		return true;
	if (errno == EAGAIN)
		return false;
	/* Linux before 5.8: another reader may win the race, which waits. */
	return poll(&p, 1, 0) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static void inject(const struct irqfd *i)
{
	if (i->resample.fd >= 0) {
		routing_set_irq(i->vm, i->gsi, IRQ_SOURCE_RESAMPLE, 1);
		return;
	}
	routing_set_irq(i->vm, i->gsi, IRQ_SOURCE_USERSPACE, 1);
	routing_set_irq(i->vm, i->gsi, IRQ_SOURCE_USERSPACE, 0);
}

static void on_eventfd(struct worker_watch *w, u32 events)
{
	struct irqfd *i = container_of(w, struct irqfd, watch);

	if ((events & EPOLLIN) && take_counter(w->fd))
		inject(i);
}

/* -- End of interrupt -------------------------------------------------------- */

static void ack_gsi(struct vm *vm, u32 gsi)
{
	struct eventfds *e = vm->eventfds;
	struct irqfd *i;
	bool any = false;

	pthread_mutex_lock(&e->irqfd_lock);
	for (i = e->irqfds; i && !any; i = i->next)
		any = i->gsi == gsi && i->resample.fd >= 0;
	pthread_mutex_unlock(&e->irqfd_lock);
	if (!any)
		return;
	/* Down first: the resampled device raises it again if it still wants. */
	routing_set_irq(vm, gsi, IRQ_SOURCE_RESAMPLE, 0);
	pthread_mutex_lock(&e->irqfd_lock);
	for (i = e->irqfds; i; i = i->next) {
		if (i->gsi == gsi && i->resample.fd >= 0)
			eventfd_fire(&i->resample);
	}
	pthread_mutex_unlock(&e->irqfd_lock);
}

void irqfd_notify_ack(struct vm *vm, u32 irqchip, u32 pin)
{
	u32 gsis[8], n;

	if (likely(!__atomic_load_n(&vm->eventfds->nr_resample, __ATOMIC_ACQUIRE)))
		return;
	n = routing_gsis_of_pin(vm, irqchip, pin, gsis, ARRAY_SIZE(gsis));
	while (n--)
		ack_gsi(vm, gsis[n]);
}

void irqfd_notify_ack_gsi(struct vm *vm, u32 gsi)
{
	if (unlikely(__atomic_load_n(&vm->eventfds->nr_resample, __ATOMIC_ACQUIRE)))
		ack_gsi(vm, gsi);
}

/* -- Assign and deassign ------------------------------------------------------ */

static void irqfd_free(struct irqfd *i)
{
	struct vm *vm = i->vm;

	worker_watch_remove(&i->watch);
	close(i->watch.fd);
	if (i->resample.fd >= 0) {
		close(i->resample.fd);
		routing_set_irq(vm, i->gsi, IRQ_SOURCE_RESAMPLE, 0);
		__atomic_sub_fetch(&vm->eventfds->nr_resample, 1, __ATOMIC_ACQ_REL);
	}
	free(i);
}

static struct irqfd *irqfd_alloc(struct vm *vm, const struct kvm_irqfd *args, long *err)
{
	struct irqfd *i = calloc(1, sizeof(*i));
	u32 unused;

	*err = -ENOMEM;
	if (!i)
		return NULL;
	i->vm = vm;
	i->gsi = args->gsi;
	i->resample.fd = -1;
	i->watch.fn = on_eventfd;
	*err = i->watch.fd = eventfd_take(args->fd, &i->id);
	if (*err >= 0 && (args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		*err = eventfd_take_out(&i->resample, args->resamplefd, &unused);
	if (*err >= 0)
		return i;
	if (i->watch.fd >= 0)
		close(i->watch.fd);
	free(i);
	return NULL;
}

static long add_locked(struct eventfds *e, struct irqfd *i)
{
	long ret;

	for (const struct irqfd *other = e->irqfds; other; other = other->next) {
		if (other->id == i->id)
			return -EBUSY;
	}
	/* Level triggered: a counter that is already above 0 fires at once. */
	ret = worker_watch_add(&i->watch, EPOLLIN);
	if (ret < 0)
		return ret;
	i->next = e->irqfds;
	e->irqfds = i;
	if (i->resample.fd >= 0)
		__atomic_add_fetch(&e->nr_resample, 1, __ATOMIC_ACQ_REL);
	return 0;
}

static long assign(struct vm *vm, const struct kvm_irqfd *args)
{
	struct eventfds *e = vm->eventfds;
	struct irqfd *i;
	long ret;

	if (!arch_irqchip_in_kernel(vm))
		return -EINVAL;
	if ((args->flags & KVM_IRQFD_FLAG_RESAMPLE) && !arch_irqchip_full(vm))
		return -EINVAL;
	i = irqfd_alloc(vm, args, &ret);
	if (!i)
		return ret;
	pthread_mutex_lock(&e->irqfd_lock);
	ret = add_locked(e, i);
	pthread_mutex_unlock(&e->irqfd_lock);
	if (ret < 0) {
		close(i->watch.fd);
		if (i->resample.fd >= 0)
			close(i->resample.fd);
		free(i);
	}
	return ret;
}

/* Unlinks the first that matches; @any takes whatever there is. */
static struct irqfd *unlink_one(struct eventfds *e, bool any, u32 id, u32 gsi)
{
	struct irqfd *i, **link;

	pthread_mutex_lock(&e->irqfd_lock);
	for (link = &e->irqfds; (i = *link); link = &i->next) {
		if (any || (i->id == id && i->gsi == gsi)) {
			*link = i->next;
			break;
		}
	}
	pthread_mutex_unlock(&e->irqfd_lock);
	return i;
}

static long deassign(struct vm *vm, const struct kvm_irqfd *args)
{
	struct irqfd *i;
	u32 id;
	int ret = eventfd_identify(args->fd, &id);

	if (ret < 0)
		return ret;
	while ((i = unlink_one(vm->eventfds, false, id, args->gsi)))
		irqfd_free(i);
	return 0;
}

long vm_irqfd(struct kfile *f, void *arg)
{
	const struct kvm_irqfd *args = arg;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign(f->vm, args);
	return assign(f->vm, args);
}

void irqfds_detach(struct vm *vm)
{
	struct irqfd *i;

	while ((i = unlink_one(vm->eventfds, true, 0, 0)))
		irqfd_free(i);
}
