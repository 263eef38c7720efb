/* SPDX-License-Identifier: MIT */
/* The x86 part of a VM: its life, and the VM ioctls that fit nowhere else. */
#include <errno.h>
#include <stdlib.h>

#include "api/arch.h"
#include "api/memslot.h"
#include "util/guard.h"
#include "x86/api/api.h"
#include "x86/api/clock.h"
#include "x86/api/cpuid_table.h"
#include "x86/hyperv/hyperv.h"
#include "x86/jit/engine.h"
#include "x86/jit/jit.h"
#include "x86/xen/xen.h"

#define MAX_PHYSADDR	52
#define TSS_ADDR_MAX	0xffffd000ull		/* three pages below 4 GiB */
#define MIN_MMU_PAGES	64
#define PAGES_PER_MMU_PAGE 50	/* KVM: of guest memory, unless a limit was set */

/* -- Life ------------------------------------------------------------------------------ */

int arch_init(void)
{
	cpuid_init();
	msr_init();
	clock_init();
	return engine_init();
}

const char *arch_engine(void)
{
	return engine_name();
}

int arch_vm_create(struct vm *vm)
{
	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return -ENOMEM;
	vm->arch->irqchip.vm = vm;
	vm->arch->identity_map_addr = 0xfffbc000;
	vm->arch->no_pmu = !cpuid_host_amd();
	pthread_mutex_init(&vm->arch->pmu_lock, NULL);
	clock_vm_create(vm);
	if (engine_used != ENGINE_INTERP)
		vm->arch->jit = jit_vm_create();
	if ((engine_used != ENGINE_INTERP && !vm->arch->jit) || hv_vm_create(vm) || xen_vm_create(vm)) {
		arch_vm_destroy(vm);
		return -ENOMEM;
	}
	return 0;
}

void arch_vm_stop(struct vm *vm)
{
	struct vcpu *v;
	u32 i;

	irqchip_stop(&vm->arch->irqchip);
	vm_for_each_vcpu(vm, i, v) {
		hv_vcpu_stop(v->cpu);
		if (v->cpu->lapic)
			lapic_stop(v->cpu->lapic);
		xen_vcpu_stop(v->cpu);
	}
}

void arch_vm_destroy(struct vm *vm)
{
	if (!vm->arch)
		return;
	irqchip_destroy(&vm->arch->irqchip);
	msr_filter_free(vm->arch->msr_filter);
	free(vm->arch->pmu_filter);
	pthread_mutex_destroy(&vm->arch->pmu_lock);
	clock_vm_destroy(vm);
	hv_vm_destroy(vm);
	xen_vm_destroy(vm);
	jit_vm_destroy(vm->arch->jit);
	free(vm->arch);
	vm->arch = NULL;
}

/* The walker accepts any physical address; the guest's width is CPUID's. */
gpa_t arch_max_gpa(void)
{
	return 1ull << MAX_PHYSADDR;
}

/* -- ioctls: where KVM on AMD needs nothing but remembers -------------------------------- */

long vm_set_tss_addr(struct kfile *f, void *arg)
{
	u64 addr = (uintptr_t)arg;

	if (addr > TSS_ADDR_MAX)
		return -EINVAL;
	WRITE_ONCE(f->vm->arch->tss_addr, addr);
	return 0;
}

long vm_set_identity_map_addr(struct kfile *f, void *arg)
{
	u64 addr;

	if (vm_has_vcpus(f->vm))
		return -EINVAL;
	if (copy_from_user(&addr, arg, sizeof(addr)))
		return -EFAULT;
	WRITE_ONCE(f->vm->arch->identity_map_addr, addr);
	return 0;
}

long vm_set_boot_cpu_id(struct kfile *f, void *arg)
{
	struct vm *vm = f->vm;
	long ret = -EBUSY;

	/* Not while a vCPU is being created, that is: it looks twice. */
	pthread_mutex_lock(&vm->lock);
	if (!vm_has_vcpus(vm)) {
		vm->arch->boot_cpu_id = (u32)(uintptr_t)arg;
		ret = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

/* There are no shadow pages to limit; the number is kept for GET. */
long vm_set_nr_mmu_pages(struct kfile *f, void *arg)
{
	u64 n = (uintptr_t)arg;

	if (n < MIN_MMU_PAGES)
		return -EINVAL;
	WRITE_ONCE(f->vm->arch->nr_mmu_pages, (u32)n);
	return 0;
}

long vm_get_nr_mmu_pages(struct kfile *f, void *arg)
{
	u32 limit = READ_ONCE(f->vm->arch->nr_mmu_pages);
	s64 pages;

	if (limit)
		return (int)limit;
	pages = memslots_pages(f->vm);
	return pages < 0 ? 0 : (int)MAX(pages / PAGES_PER_MMU_PAGE, MIN_MMU_PAGES);
}

/* No SEV: as a VM of KVM that is not an encrypted one. */
long vm_memory_encrypt_op(struct kfile *f, void *arg)
{
	return -ENOTTY;
}

long vm_memory_encrypt_region(struct kfile *f, void *arg)
{
	return -ENOTTY;
}
