/* SPDX-License-Identifier: MIT */
/*
 * KVM_HYPERV_EVENTFD (api.rst 4.113): connections whose events, signalled by
 * hypercall, go to an eventfd without an exit.
 */
#include "api/eventfd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "x86/hyperv/internal.h"
#include "x86/mmu/mmu.h"

#define CONNECTION_ID	0xffffffu
#define FLAG_NUMBER	0xffff00000000ull	/* of an event, above the ID */

struct connection {
	u32 id;
	struct eventfd_out out;
};

struct hv_connections {
	pthread_mutex_t lock;
	u32 count, room;
	struct connection *e;	/* sorted by id */
};

int hv_connections_create(struct hv_vm *hv)
{
	hv->connections = calloc(1, sizeof(*hv->connections));
	if (!hv->connections)
		return -ENOMEM;
	pthread_mutex_init(&hv->connections->lock, NULL);
	return 0;
}

void hv_connections_destroy(struct hv_vm *hv)
{
	struct hv_connections *s = hv->connections;

	for (u32 i = 0; i < s->count; i++)
		close(s->e[i].out.fd);
	pthread_mutex_destroy(&s->lock);
	free(s->e);
	free(s);
}

/* The first entry at or above @id. */
static u32 lower_bound(const struct hv_connections *s, u32 id)
{
	u32 lo = 0, hi = s->count;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (s->e[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_at(const struct hv_connections *s, u32 pos, u32 id)
{
	return pos < s->count && s->e[pos].id == id;
}

/* -- The guest's side ------------------------------------------------------------------------ */

static bool signal_connection(struct hv_connections *s, u32 id)
{
	bool found;
	u32 pos;

	pthread_mutex_lock(&s->lock);
	pos = lower_bound(s, id);
	found = is_at(s, pos, id);
	if (found)
		eventfd_fire(&s->e[pos].out);
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* KVM: nobody uses other flag numbers than 0, they are left to userspace. */
u64 hv_signal_event(struct cpu *c, const struct hv_hypercall *h)
{
	u64 event = h->param;

	if (!h->fast && (h->param % sizeof(event) ||
			 !gpa_read(c, h->param, &event, sizeof(event))))
		return HV_STATUS_INVALID_ALIGNMENT;
	if (event & FLAG_NUMBER)
		return HV_STATUS_INVALID_PORT_ID;
	if (event & ~(u64)CONNECTION_ID)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	return signal_connection(cpu_hv_vm(c)->connections, event) ? HV_STATUS_SUCCESS :
								      HV_STATUS_INVALID_PORT_ID;
}

/* -- The ioctl ----------------------------------------------------------------------------------- */

static int reserve(struct hv_connections *s)
{
	u32 room = s->room ? 2 * s->room : 8;
	struct connection *e;

	if (s->count < s->room)
		return 0;
	e = realloc(s->e, room * sizeof(*e));
	if (!e)
		return -ENOMEM;
	s->e = e;
	s->room = room;
	return 0;
}

static int insert_locked(struct hv_connections *s, struct connection new)
{
	u32 pos = lower_bound(s, new.id);
	int ret;

	if (is_at(s, pos, new.id))
		return -EEXIST;
	ret = reserve(s);
	if (ret)
		return ret;
	memmove(&s->e[pos + 1], &s->e[pos], (s->count - pos) * sizeof(new));
	s->e[pos] = new;
	s->count++;
	return 0;
}

static long assign(struct hv_connections *s, u32 id, int fd)
{
	u32 unused;
	struct connection new = { .id = id };
	long ret = eventfd_take_out(&new.out, fd, &unused);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&s->lock);
	ret = insert_locked(s, new);
	pthread_mutex_unlock(&s->lock);
	if (ret)
		close(new.out.fd);
	return ret;
}

static long deassign(struct hv_connections *s, u32 id)
{
	long ret = -ENOENT;
	u32 pos;

	pthread_mutex_lock(&s->lock);
	pos = lower_bound(s, id);
	if (is_at(s, pos, id)) {
		close(s->e[pos].out.fd);
		s->count--;
		memmove(&s->e[pos], &s->e[pos + 1], (s->count - pos) * sizeof(s->e[0]));
		ret = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

long vm_hyperv_eventfd(struct kfile *f, void *arg)
{
	const struct kvm_hyperv_eventfd *args = arg;
	struct hv_connections *s = f->vm->arch->hv->connections;

	if (args->flags & ~KVM_HYPERV_EVENTFD_DEASSIGN || args->conn_id & ~CONNECTION_ID)
		return -EINVAL;
	if (args->flags & KVM_HYPERV_EVENTFD_DEASSIGN)
		return deassign(s, args->conn_id);
	return assign(s, args->conn_id, args->fd);
}
