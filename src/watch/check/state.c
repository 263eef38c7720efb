/* SPDX-License-Identifier: MIT */
#include "watch/check/state.h"

#include <stdlib.h>
#include <string.h>

#include "watch/check/check.h"

struct check_process check_process;

bool bit_is_set(const u64 *bits, u32 nr_words, u64 bit)
{
	return bit / 64 < nr_words && (bits[bit / 64] >> (bit % 64) & 1);
}

static void set_bit(u64 *bits, u32 nr_words, u64 bit)
{
	if (bit / 64 < nr_words)
		bits[bit / 64] |= 1ull << (bit % 64);
}

/* -- Look-up ---------------------------------------------------------------------- */

struct check_vm *state_vm(const struct kfile *f)
{
	struct check_vm **at = &check_process.vms, *vm;

	if (!f || !f->vm)
		return NULL;
	while (*at && (*at)->vm != f->vm)
		at = &(*at)->next;
	vm = *at;
	/* To the front: it will be asked for again. */
	if (vm && at != &check_process.vms) {
		*at = vm->next;
		vm->next = check_process.vms;
		check_process.vms = vm;
	}
	return vm;
}

struct check_vcpu *state_vcpu(struct check_vm *vm, const struct kfile *f)
{
	return vm && f->vcpu && f->vcpu->idx < vm->nr_vcpus ? vm->vcpus[f->vcpu->idx] : NULL;
}

const struct check_slot *state_slot(const struct check_vm *vm, u32 as, u32 id)
{
	const struct check_slot *s;

	if (as >= KVM_ADDRESS_SPACES || id >= vm->nr_slots[as])
		return NULL;
	s = &vm->slots[as][id];
	return s->size ? s : NULL;
}

/* -- Births and ends -------------------------------------------------------------- */

static void vm_forget(struct check_vm *vm)
{
	struct check_vm **at = &check_process.vms;

	while (*at && *at != vm)
		at = &(*at)->next;
	if (*at)
		*at = vm->next;
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		free(vm->vcpus[i]);
	for (u32 as = 0; as < KVM_ADDRESS_SPACES; as++)
		free(vm->slots[as]);
	free(vm->vcpus);
	free(vm);
}

static void vm_opened(int fd, const struct kfile *f)
{
	struct check_vm *vm = state_vm(f);

	if (vm)
		vm_forget(vm);		/* of one before at the same address */
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return;
	vm->vm = f->vm;
	vm->fd = fd;
	vm->ino = f->ino;
	vm->identity = IDENTITY_DEFAULT;
	vm->next = check_process.vms;
	check_process.vms = vm;
}

static bool make_room(struct check_vm *vm, u32 nr)
{
	struct check_vcpu **vcpus;

	if (nr <= vm->nr_vcpus)
		return true;
	vcpus = realloc(vm->vcpus, nr * sizeof(*vcpus));
	if (!vcpus)
		return false;
	memset(vcpus + vm->nr_vcpus, 0, (nr - vm->nr_vcpus) * sizeof(*vcpus));
	vm->vcpus = vcpus;
	vm->nr_vcpus = nr;
	return true;
}

static void vcpu_opened(int fd, const struct kfile *f)
{
	struct check_vm *vm = state_vm(f);
	struct check_vcpu *vcpu;

	if (!vm || !make_room(vm, f->vcpu->idx + 1))
		return;
	vcpu = calloc(1, sizeof(*vcpu));
	if (!vcpu)
		return;
	vcpu->id = f->vcpu->id;
	vcpu->fd = fd;
	vcpu->ino = f->ino;
	vcpu->exit = -1;
	/* A creation that failed late leaves one behind. */
	free(vm->vcpus[f->vcpu->idx]);
	vm->vcpus[f->vcpu->idx] = vcpu;
}

void state_opened(int fd, const struct kfile *f)
{
	if (f->scope == SCOPE_VM)
		vm_opened(fd, f);
	else if (f->scope == SCOPE_VCPU && f->vcpu)
		vcpu_opened(fd, f);
}

void state_ended(const struct kfile *f)
{
	struct check_vm *vm = state_vm(f);
	struct check_vcpu *vcpu = state_vcpu(vm, f);
	bool alive;

	if (!vm)
		return;
	if (f->scope == SCOPE_VM)
		vm->closed = true;
	if (vcpu)
		vcpu->ended = true;
	alive = !vm->closed;
	for (u32 i = 0; i < vm->nr_vcpus; i++)
		alive |= vm->vcpus[i] && !vm->vcpus[i]->ended;
	if (!alive)
		vm_forget(vm);
}

void state_forked(void)
{
	for (struct check_vm *vm = check_process.vms; vm; vm = vm->next)
		vm->inherited = true;
}

/* -- What calls change --------------------------------------------------------------- */

static const struct { u32 cmd; const char *name; } setters[] = {
#define SETTER(cmd) { (u32)cmd, #cmd }
	SETTER(KVM_SET_CPUID), SETTER(KVM_SET_CPUID2), SETTER(KVM_SET_REGS),
	SETTER(KVM_SET_SREGS), SETTER(KVM_SET_SREGS2), SETTER(KVM_SET_FPU),
	SETTER(KVM_SET_XSAVE), SETTER(KVM_SET_XCRS), SETTER(KVM_SET_DEBUGREGS),
	SETTER(KVM_SET_VCPU_EVENTS), SETTER(KVM_SET_MP_STATE), SETTER(KVM_SET_LAPIC),
	SETTER(KVM_SET_GUEST_DEBUG), SETTER(KVM_SET_MSRS),
};

_Static_assert(ARRAY_SIZE(setters) <= MAX_SETTERS, "a bit each");

int setter_of(u32 cmd)
{
	for (u32 i = 0; i < ARRAY_SIZE(setters); i++)
		if (setters[i].cmd == cmd)
			return i;
	return -1;
}

const char *setter_name(u32 setter)
{
	return setters[setter].name;
}

/* Of one that has been told of already, nothing more is said later. */
static void setter_called(struct check_call *c)
{
	int setter = setter_of(c->cmd);

	if (setter < 0)
		return;
	c->vcpu->refused &= ~BIT(setter);
	/* KVM_SET_SREGS and KVM_SET_SREGS2, and the like, set the same. */
	if (c->ret >= 0 && (setter == 1 || setter == 4))
		c->vcpu->refused &= ~BIT(setter - 1);
	if (c->ret >= 0 && (setter == 0 || setter == 3))
		c->vcpu->refused &= ~BIT(setter + 1);
	if (c->ret < 0 && !c->nr_found) {
		c->vcpu->refused |= BIT(setter);
		c->vcpu->refused_errno[setter] = -c->ret;
	}
}

static void vcpu_called(struct check_call *c)
{
	struct check_vcpu *vcpu = c->vcpu;
	const struct kvm_regs *regs = check_arg(c, struct kvm_regs);

	if (setter_of(c->cmd) >= 0 && c->ret >= 0)
		vcpu->exit = -1;
	setter_called(c);
	if (c->cmd == (u32)KVM_GET_REGS && c->ret >= 0 && regs) {
		vcpu->rip_known = true;
		vcpu->rip = regs->rip;
	}
	if (c->cmd == (u32)KVM_SET_SIGNAL_MASK && c->ret >= 0)
		vcpu->sigmask = c->call->arg;
	if (c->cmd == (u32)KVM_SET_MSRS) {
		vcpu->msrs_cut.set = c->msr;
		vcpu->msrs_cut.index = c->msr;
	}
	if (c->cpuid.valid && c->ret >= 0) {
		vcpu->has_cpuid = true;
		vcpu->features = c->cpuid.features;
	}
}

static void slot_called(struct check_call *c)
{
	const struct kvm_userspace_memory_region *r =
		check_arg(c, struct kvm_userspace_memory_region);
	struct check_vm *vm = c->vm;
	u32 as = r ? r->slot >> 16 : 0, id = r ? r->slot & 0xffff : 0;
	struct check_slot *slots;

	if (c->ret < 0 && !c->nr_found) {
		vm->slot_refused = true;
		vm->slot_refused_id = r ? r->slot : 0;
		vm->slot_refused_errno = -c->ret;
	}
	if (c->ret < 0 || !r || as >= KVM_ADDRESS_SPACES)
		return;
	if (vm->slot_refused && vm->slot_refused_id == r->slot)
		vm->slot_refused = false;
	if (id >= vm->nr_slots[as]) {
		slots = realloc(vm->slots[as], (id + 1) * sizeof(*slots));
		if (!slots)
			return;
		memset(slots + vm->nr_slots[as], 0,
		       (id + 1 - vm->nr_slots[as]) * sizeof(*slots));
		vm->slots[as] = slots;
		vm->nr_slots[as] = id + 1;
	}
	vm->slots[as][id] = (struct check_slot){
		r->guest_phys_addr, r->memory_size, r->userspace_addr, r->flags,
	};
}

static void vm_cap_enabled(struct check_call *c)
{
	const struct kvm_enable_cap *cap = check_arg(c, struct kvm_enable_cap);

	if (!cap)
		return;
	set_bit(c->vm->caps, 4, cap->cap);
	if (cap->cap == KVM_CAP_SPLIT_IRQCHIP)
		c->vm->chip = CHIP_SPLIT;
}

static void vm_called(struct check_call *c)
{
	const u64 *word = check_arg(c, u64);
	struct check_vm *vm = c->vm;

	if (c->cmd == (u32)KVM_SET_USER_MEMORY_REGION)
		slot_called(c);
	if (c->ret < 0)
		return;
	switch (c->cmd) {
	case (u32)KVM_CREATE_IRQCHIP:
		vm->chip = CHIP_FULL;
		return;
	case (u32)KVM_ENABLE_CAP:
		vm_cap_enabled(c);
		return;
	case (u32)KVM_SET_TSS_ADDR:
		vm->has_tss = true;
		vm->tss = c->call->arg;
		return;
	case (u32)KVM_SET_IDENTITY_MAP_ADDR:
		if (word)
			vm->identity = *word ? *word : IDENTITY_DEFAULT;
		return;
	case (u32)KVM_RESET_DIRTY_RINGS:
		for (u32 i = 0; i < vm->nr_vcpus; i++)
			if (vm->vcpus[i])
				vm->vcpus[i]->ring_reset = true;
		return;
	}
}

static void system_called(const struct check_call *c)
{
	switch (c->cmd) {
	case (u32)KVM_GET_API_VERSION:
		check_process.version_asked = true;
		return;
	case (u32)KVM_GET_VCPU_MMAP_SIZE:
		check_process.size_asked = true;
		return;
	case (u32)KVM_GET_SUPPORTED_CPUID:
		check_process.cpuid_refused = c->ret < 0;
		return;
	}
}

void state_called(struct check_call *c)
{
	if (c->cmd == (u32)KVM_CHECK_EXTENSION)
		set_bit(check_process.asked, 8, c->call->arg);
	if (c->file->scope == SCOPE_SYSTEM)
		system_called(c);
	else if (c->file->scope == SCOPE_VM && c->vm)
		vm_called(c);
	else if (c->file->scope == SCOPE_VCPU && c->vcpu)
		vcpu_called(c);
}
