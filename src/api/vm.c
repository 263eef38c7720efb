/* SPDX-License-Identifier: MIT */
/* Creation and end of VMs and vCPUs. */
#include "api/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/caps.h"
#include "api/coalesced.h"
#include "api/dirty_ring.h"
#include "api/eventfds.h"
#include "api/fd.h"
#include "api/handlers.h"
#include "api/memslot.h"
#include "api/routing.h"
#include "api/stats.h"
#include "api/vfio.h"
#include "util/alloc.h"

static u32 nr_vms;

u32 vm_count(void)
{
	return __atomic_load_n(&nr_vms, __ATOMIC_ACQUIRE);
}

/* -- VM -------------------------------------------------------------------- */

/*
 * Every VM, from its creation until its memory is free.  The last descriptor
 * may be long gone when the worker ends it: until then it is not lost.
 */
static struct vm *all_vms;
static pthread_mutex_t all_vms_lock = PTHREAD_MUTEX_INITIALIZER;

static void vm_list_add(struct vm *vm)
{
	pthread_mutex_lock(&all_vms_lock);
	vm->all_next = all_vms;
	vm->all_prev = &all_vms;
	if (all_vms)
		all_vms->all_prev = &vm->all_next;
	all_vms = vm;
	pthread_mutex_unlock(&all_vms_lock);
}

static void vm_list_remove(struct vm *vm)
{
	pthread_mutex_lock(&all_vms_lock);
	*vm->all_prev = vm->all_next;
	if (vm->all_next)
		vm->all_next->all_prev = vm->all_prev;
	pthread_mutex_unlock(&all_vms_lock);
}

/* Another thread of the parent may have held it when it forked. */
void vm_reinit_child(void)
{
	pthread_mutex_init(&all_vms_lock, NULL);
}

struct part {
	int (*create)(struct vm *vm);
	void (*destroy)(struct vm *vm);
};

/* In the order of creation; destroyed backwards. */
static const struct part parts[] = {
	{ vm_stats_create, vm_stats_destroy },
	{ memslots_create, memslots_destroy },
	{ routing_create, routing_destroy },
	{ coalesced_create, coalesced_destroy },
	{ eventfds_create, eventfds_destroy },
	{ arch_vm_create, arch_vm_destroy },
};

int vm_create(struct vm **out)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	size_t i;
	int ret = 0;

	if (!vm)
		return -ENOMEM;
	vm->refs = 1;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->slots_lock, NULL);
	for (i = 0; i < ARRAY_SIZE(parts) && !ret; i++)
		ret = parts[i].create(vm);
	if (ret < 0) {
		/* The one that failed has undone itself. */
		for (i--; i-- > 0;)
			parts[i].destroy(vm);
		free(vm);
		return ret;
	}
	vm_list_add(vm);
	__atomic_add_fetch(&nr_vms, 1, __ATOMIC_ACQ_REL);
	*out = vm;
	return 0;
}

void vm_get(struct vm *vm)
{
	__atomic_add_fetch(&vm->refs, 1, __ATOMIC_RELAXED);
}

static void vcpu_free(struct vcpu *vcpu)
{
	dirty_ring_destroy(vcpu);
	vcpu_stats_destroy(vcpu);
	if (vcpu->run)
		munmap(vcpu->run, VCPU_MMAP_SIZE);
	if (vcpu->fd_once >= 0)
		close(vcpu->fd_once);
	pthread_mutex_destroy(&vcpu->mutex);
	free(vcpu);
}

void vm_put(struct vm *vm)
{
	if (__atomic_sub_fetch(&vm->refs, 1, __ATOMIC_ACQ_REL))
		return;

	/* Event sources first: after these two nothing calls into the VM. */
	arch_vm_stop(vm);
	irqfds_detach(vm);
	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		arch_vcpu_destroy(vm->vcpus[i]);
		vcpu_free(vm->vcpus[i]);
	}
	vm->nr_vcpus = 0;
	dirty_rings_destroy(vm);
	vfio_destroy(vm);
	for (size_t i = ARRAY_SIZE(parts); i-- > 0;)
		parts[i].destroy(vm);
	pthread_mutex_destroy(&vm->slots_lock);
	pthread_mutex_destroy(&vm->lock);
	vm_list_remove(vm);
	free(vm);
	__atomic_sub_fetch(&nr_vms, 1, __ATOMIC_ACQ_REL);
}

void vm_fd_released(struct vm *vm)
{
	irqfds_detach(vm);
}

long vm_check_extension(struct kfile *f, void *arg)
{
	return caps_check(f->vm, (long)arg);
}

/* -- KVM_ENABLE_CAP (api.rst 4.37) ----------------------------------------- */

static long enable_manual_dirty_log(struct vm *vm, const struct kvm_enable_cap *cap)
{
	u64 allowed = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;

	if (cap->args[0] & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		allowed |= KVM_DIRTY_LOG_INITIALLY_SET;
	if (cap->flags || (cap->args[0] & ~allowed))
		return -EINVAL;
	pthread_mutex_lock(&vm->slots_lock);
	vm->manual_dirty_log = cap->args[0];
	pthread_mutex_unlock(&vm->slots_lock);
	return 0;
}

static long enable_halt_poll(struct vm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->flags || cap->args[0] != (u32)cap->args[0])
		return -EINVAL;
	WRITE_ONCE(vm->halt_poll_ns, (u32)cap->args[0]);
	return 0;
}

static long enable_max_vcpu_id(struct vm *vm, const struct kvm_enable_cap *cap)
{
	long ret = -EINVAL;

	if (cap->flags || cap->args[0] > KVM_MAX_VCPU_IDS)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (vm->max_vcpu_ids == cap->args[0] || !vm->max_vcpu_ids) {
		vm->max_vcpu_ids = cap->args[0];
		ret = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

long vm_enable_cap(struct kfile *f, void *arg)
{
	const struct kvm_enable_cap *cap = arg;

	switch (cap->cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return enable_manual_dirty_log(f->vm, cap);
	case KVM_CAP_HALT_POLL:
		return enable_halt_poll(f->vm, cap);
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return dirty_rings_enable(f->vm, (u32)cap->args[0]);
	case KVM_CAP_MAX_VCPU_ID:
		return enable_max_vcpu_id(f->vm, cap);
	}
	return cap->flags ? -EINVAL : arch_vm_enable_cap(f->vm, cap);
}

/* -- vCPU ------------------------------------------------------------------ */

struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id)
{
	struct vcpu *v;
	u32 i;

	/* Most VMMs number their vCPUs in the order of creation. */
	if (id < __atomic_load_n(&vm->nr_vcpus, __ATOMIC_ACQUIRE) &&
	    vm->vcpus[id]->id == id)
		return vm->vcpus[id];
	vm_for_each_vcpu(vm, i, v) {
		if (v->id == id)
			return v;
	}
	return NULL;
}

static long check_vcpu_id(struct vm *vm, u32 id)
{
	if (id >= KVM_MAX_VCPU_IDS)
		return -EINVAL;
	if (vm->nr_vcpus >= KVM_MAX_VCPUS)
		return -EINVAL;
	if (vm->max_vcpu_ids && id >= vm->max_vcpu_ids)
		return -EINVAL;
	return vm_vcpu_by_id(vm, id) ? -EEXIST : 0;
}

static int map_run_pages(struct vcpu *vcpu)
{
	char name[40];
	void *map;

	snprintf(name, sizeof(name), "anon_inode:kvm-vcpu:%u", vcpu->id);
	vcpu->fd_once = kfile_memfd(name, VCPU_MMAP_SIZE);
	if (vcpu->fd_once < 0)
		return vcpu->fd_once;
	map = mmap(NULL, VCPU_MMAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   vcpu->fd_once, 0);
	if (map == MAP_FAILED)
		return -errno;
	vcpu->run = map;
	vcpu->pio_data = (u8 *)map + PAGE_SIZE;
	return 0;
}

static struct vcpu *vcpu_alloc(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = alloc_lines(sizeof(*vcpu));

	if (!vcpu)
		return NULL;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->idx = vm->nr_vcpus;
	vcpu->fd_once = -1;
	vcpu->stats_fd = -1;
	pthread_mutex_init(&vcpu->mutex, NULL);
	return vcpu;
}

/* The descriptor; the vCPU is in vm->vcpus when the VMM first sees it. */
static long vcpu_publish(struct vm *vm, struct vcpu *vcpu)
{
	int memfd = vcpu->fd_once;
	long fd;

	vcpu->fd_once = -1;
	fd = kfile_install(SCOPE_VCPU, vm, vcpu, memfd, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fd;
	/* Slots may be changed in place while there is no vCPU (memslot.c). */
	pthread_mutex_lock(&vm->slots_lock);
	vm->vcpus[vcpu->idx] = vcpu;
	__atomic_store_n(&vm->nr_vcpus, vcpu->idx + 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&vm->slots_lock);
	arch_vcpu_created(vcpu);
	return fd;
}

static long create_vcpu_locked(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	long ret = check_vcpu_id(vm, id);

	if (ret < 0)
		return ret;
	vcpu = vcpu_alloc(vm, id);
	if (!vcpu)
		return -ENOMEM;
	ret = map_run_pages(vcpu);
	if (!ret)
		ret = vcpu_stats_create(vcpu);
	if (!ret)
		ret = dirty_ring_create(vcpu);
	if (!ret)
		ret = arch_vcpu_create(vcpu);
	if (ret < 0) {
		vcpu_free(vcpu);
		return ret;
	}
	ret = vcpu_publish(vm, vcpu);
	if (ret < 0) {
		arch_vcpu_destroy(vcpu);
		vcpu_free(vcpu);
	}
	return ret;
}

/* Linux 6.1 looks at 32 bits of the argument. */
long vm_create_vcpu(struct kfile *f, void *id)
{
	long ret;

	pthread_mutex_lock(&f->vm->lock);
	ret = create_vcpu_locked(f->vm, (u32)(uintptr_t)id);
	pthread_mutex_unlock(&f->vm->lock);
	return ret;
}
