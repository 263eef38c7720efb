/* SPDX-License-Identifier: MIT */
/* misuse --list, or misuse RULE bad|good */
#include "misuse.h"

#include <pthread.h>

static const struct {
	const char *name;
	void (*fn)(bool bad);
} rules[] = {
#define RULE(id, level, section, sentence, advice) { #id, misuse_##id },
#include "watch/check/rules.def"
};

static const u8 in_out[] = { 0xe4, 0x10, 0xe6, 0x10, 0xeb, 0xfa };

static void ask(int sys)
{
	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0), 12);
	for (u32 cap = 0; cap < 256; cap++)
		kvm_ioctl_val(sys, KVM_CHECK_EXTENSION, cap);
	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * PG);
}

void vmm_open(struct vmm *v)
{
	memset(v, 0, sizeof(*v));
	v->sys = kvm_open(O_RDWR | O_CLOEXEC);
	assert_true(v->sys >= 0);
	ask(v->sys);
	v->cpuid = calloc(1, sizeof(*v->cpuid) + 256 * sizeof(v->cpuid->entries[0]));
	v->cpuid->nent = 256;
	assert_ok(kvm_ioctl(v->sys, KVM_GET_SUPPORTED_CPUID, v->cpuid));
}

void vmm_vm(struct vmm *v, u32 flags)
{
	struct kvm_enable_cap ring = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { PG } };
	u64 identity = 0xfeffc000;
	u32 slot_flags = flags & (VMM_LOG | VMM_RING) ? KVM_MEM_LOG_DIRTY_PAGES : 0;

	vmm_open(v);
	v->flags = flags;
	v->vm = kvm_ioctl_val(v->sys, KVM_CREATE_VM, 0);
	assert_true(v->vm >= 0);
	if (!(flags & VMM_NO_TSS)) {
		assert_ok(kvm_ioctl(v->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity));
		assert_ok(kvm_ioctl_val(v->vm, KVM_SET_TSS_ADDR, identity + PG));
	}
	if (flags & VMM_IRQCHIP)
		assert_ok(kvm_ioctl_val(v->vm, KVM_CREATE_IRQCHIP, 0));
	if (flags & VMM_RING)
		assert_ok(kvm_ioctl(v->vm, KVM_ENABLE_CAP, &ring));
	v->mem = guest_ram(MEMORY);
	assert_ok(set_region(v->vm, 0, slot_flags, 0, MEMORY, v->mem));
	if (flags & VMM_SLOT_1) {
		v->mem1 = guest_ram(PG);
		assert_ok(set_region(v->vm, 1, 0, SLOT_1, PG, v->mem1));
	}
	vmm_code(v, in_out, sizeof(in_out));
}

int vmm_vcpu(struct vmm *v)
{
	v->vcpu[v->nr] = new_vcpu(v->vm, v->nr);
	return v->nr++;
}

void vmm_map(struct vmm *v, u32 i)
{
	v->run[i] = map_run(v->vcpu[i]);
}

struct kvm_cpuid_entry2 *vmm_leaf(struct vmm *v, u32 function)
{
	for (u32 i = 0; i < v->cpuid->nent; i++)
		if (v->cpuid->entries[i].function == function)
			return &v->cpuid->entries[i];
	return NULL;
}

void vmm_cpuid(struct vmm *v, u32 i)
{
	struct kvm_cpuid_entry2 *one = vmm_leaf(v, 1), *pv = vmm_leaf(v, 0x40000001);

	assert_non_null(one);
	one->ebx = (one->ebx & 0xffffff) | i << 24;
	if (!(v->flags & VMM_IRQCHIP))
		one->ecx &= ~(1u << 21 | 1u << 24);
	if (pv && !(v->flags & VMM_IRQCHIP))
		pv->eax &= ~(1u << 7);
	for (u32 e = 0; e < v->cpuid->nent; e++)
		if (v->cpuid->entries[e].function == 0xb)
			v->cpuid->entries[e].edx = i;
	assert_ok(kvm_ioctl(v->vcpu[i], KVM_SET_CPUID2, v->cpuid));
}

void vmm_code(struct vmm *v, const void *code, size_t n)
{
	memcpy(v->mem + CODE, code, n);
}

void vmm_reset(struct vmm *v, u32 i)
{
	struct kvm_regs r = { .rip = CODE, .rflags = 2, .rsp = 0x800 };
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(v->vcpu[i], KVM_GET_SREGS, &s));
	s.cs.base = s.cs.selector = 0;
	s.idt.base = 0;
	s.idt.limit = 0x3ff;
	assert_ok(kvm_ioctl(v->vcpu[i], KVM_SET_SREGS, &s));
	assert_ok(kvm_ioctl(v->vcpu[i], KVM_SET_REGS, &r));
}

void vmm_start(struct vmm *v, u32 flags)
{
	vmm_vm(v, flags);
	vmm_vcpu(v);
	if (!(flags & VMM_NO_MAP))
		vmm_map(v, 0);
	vmm_cpuid(v, 0);
	vmm_reset(v, 0);
}

int vmm_run(struct vmm *v, u32 i)
{
	if (kvm_ioctl_val(v->vcpu[i], KVM_RUN, 0) < 0)
		return -errno;
	return v->run[i] ? (int)v->run[i]->exit_reason : 0;
}

void vmm_close(struct vmm *v)
{
	for (u32 i = 0; i < v->nr; i++) {
		if (v->run[i])
			munmap(v->run[i], 3 * PG);
		close(v->vcpu[i]);
	}
	close(v->vm);
	close(v->sys);
	munmap(v->mem, MEMORY);
	free(v->cpuid);
}

/* -- Threads ----------------------------------------------------------------------- */

static struct kvm_run *kicked;
static u8 kick_value;

IN_SIGNAL_HANDLER static void on_kick(int sig)
{
	kicked->immediate_exit = kick_value;
	if (!by_libc() && !anykvm_signal_is_masked(sig))
		anykvm_signalled(sig);
}

void vmm_kicks(struct kvm_run *run, u8 set)
{
	kicked = run;
	kick_value = set;
	set_handler(SIGUSR1, on_kick, 0);
}

void vmm_in_thread(struct vmm *v, void *(*fn)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, v), 0);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	bool bad = argc > 2 && !strcmp(argv[2], "bad");

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], "--list"))
			puts(rules[i].name);
		else if (argc == 3 && !strcmp(argv[1], rules[i].name))
			rules[i].fn(bad);
	}
	return 0;
}
