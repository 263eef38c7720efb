/* SPDX-License-Identifier: MIT */
#include "fake_arch.h"

#include <errno.h>
#include <stdlib.h>

#include "api/routing.h"
#include "watch/watch.h"

struct arch_vm {
	bool irqchip;
};

struct cpu {
	u32 requests;
	struct kvm_regs regs;
};

static int exit_at_once(struct vcpu *vcpu, bool immediate_exit)
{
	if (immediate_exit)
		return -EINTR;
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

void watch_init(void)
{
}

int (*fake_guest)(struct vcpu *, bool) = exit_at_once;
struct vm *fake_vm;
struct fake_irq fake_irqs[FAKE_MAX_IRQS];
u32 fake_nr_irqs;

u32 fake_irq_count(void)
{
	return __atomic_load_n(&fake_nr_irqs, __ATOMIC_ACQUIRE);
}

int arch_init(void) { return 0; }
const char *arch_engine(void) { return "fake"; }

int arch_vm_create(struct vm *vm)
{
	vm->arch = calloc(1, sizeof(*vm->arch));
	fake_vm = vm;
	return vm->arch ? 0 : -ENOMEM;
}

void arch_vm_stop(struct vm *vm) {}
void arch_vm_destroy(struct vm *vm) { free(vm->arch); }

int arch_vcpu_create(struct vcpu *vcpu)
{
	vcpu->cpu = calloc(1, sizeof(*vcpu->cpu));
	if (!vcpu->cpu)
		return -ENOMEM;
	vcpu->requests = &vcpu->cpu->requests;
	return 0;
}

void arch_vcpu_created(struct vcpu *vcpu) {}
void arch_vcpu_destroy(struct vcpu *vcpu) { free(vcpu->cpu); }

int arch_vcpu_run(struct vcpu *vcpu, bool immediate_exit)
{
	return fake_guest(vcpu, immediate_exit);
}

void arch_vcpu_interrupted(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_INTR;
}

int arch_check_extension(struct vm *vm, long cap)
{
	return cap == KVM_CAP_IRQCHIP;
}

int arch_vm_enable_cap(struct vm *vm, const struct kvm_enable_cap *cap) { return -EINVAL; }
gpa_t arch_max_gpa(void) { return 1ull << 52; }
bool arch_irqchip_in_kernel(struct vm *vm) { return vm->arch->irqchip; }
bool arch_irqchip_full(struct vm *vm) { return vm->arch->irqchip; }

int arch_set_irq(struct vm *vm, const struct kvm_irq_routing_entry *route,
		 int source, int level)
{
	struct fake_irq *i = &fake_irqs[fake_nr_irqs % FAKE_MAX_IRQS];

	*i = (struct fake_irq){
		.type = route->type, .source = source, .level = level,
		.pin = route->type == KVM_IRQ_ROUTING_IRQCHIP ? route->u.irqchip.pin : 0,
	};
	if (route->type == KVM_IRQ_ROUTING_MSI) {
		i->msi_address = route->u.msi.address_lo;
		if (!i->msi_address)
			return -1;
	}
	__atomic_store_n(&fake_nr_irqs, fake_nr_irqs + 1, __ATOMIC_RELEASE);
	return 1;
}

int arch_check_route(struct vm *vm, const struct kvm_irq_routing_entry *route)
{
	if (route->type == KVM_IRQ_ROUTING_MSI)
		return 0;
	if (route->type != KVM_IRQ_ROUTING_IRQCHIP || route->u.irqchip.irqchip > 2)
		return -EINVAL;
	return route->u.irqchip.pin < (route->u.irqchip.irqchip == 2 ? 24 : 8) ? 0 : -EINVAL;
}

u32 arch_default_routes(const struct kvm_irq_routing_entry **routes)
{
	*routes = NULL;
	return 0;
}

void arch_routes_changed(struct vm *vm) {}

/* PIC pins 0 to 7 and IOAPIC pins 0 to 23, GSI = pin. */
static int set_routes(struct vm *vm)
{
	struct kvm_irq_routing_entry e[24] = { 0 };

	for (u32 i = 0; i < ARRAY_SIZE(e); i++) {
		e[i].gsi = i;
		e[i].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[i].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e[i].u.irqchip.pin = i;
	}
	return routing_set(vm, e, ARRAY_SIZE(e));
}

long vm_create_irqchip(struct kfile *f, void *arg)
{
	if (f->vm->arch->irqchip)
		return -EEXIST;
	if (f->vm->nr_vcpus)
		return -EINVAL;
	f->vm->arch->irqchip = true;
	return set_routes(f->vm);
}

long vcpu_get_regs(struct kfile *f, void *arg)
{
	*(struct kvm_regs *)arg = f->vcpu->cpu->regs;
	return 0;
}

long vcpu_set_regs(struct kfile *f, void *arg)
{
	f->vcpu->cpu->regs = *(struct kvm_regs *)arg;
	return 0;
}
