/* SPDX-License-Identifier: MIT */
/* The ioctls of the in-kernel interrupt controllers (api.rst 4.24-4.27, 4.57,
 * 4.58, 4.71-4.73, 4.99) and KVM_INTERRUPT (4.16). */
#include "x86/irqchip/irqchip.h"

#include <errno.h>
#include <string.h>

#include "api/arch.h"
#include "api/dispatch.h"
#include "util/guard.h"
#include "x86/irqchip/ioapic.h"
#include "x86/irqchip/lapic.h"
#include "x86/irqchip/pic.h"
#include "x86/irqchip/pit.h"
#include "x86/x86.h"

#define NR_VECTORS	256u

#define IOCTL(scope, cmd, kind, fn) long fn(struct kfile *f, void *arg);
#include "x86/api/arch_ioctls_irqchip.def"
#undef IOCTL

/* -- Creation ----------------------------------------------------------------------- */

long vm_create_irqchip(struct kfile *f, void *arg)
{
	return irqchip_create(f->vm);
}

long vm_create_pit2(struct kfile *f, void *arg)
{
	const struct kvm_pit_config *config = arg;

	return irqchip_create_pit(f->vm, config->flags);
}

long vm_create_pit(struct kfile *f, void *arg)
{
	return irqchip_create_pit(f->vm, KVM_PIT_SPEAKER_DUMMY);
}

/* -- PICs and IOAPIC ------------------------------------------------------------------ */

long vm_get_irqchip(struct kfile *f, void *arg)
{
	struct irqchip *ic = vm_irqchip(f->vm);
	struct kvm_irqchip *chip = arg;

	if (!arch_irqchip_full(f->vm))
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_get_state(ic->pic, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_get_state(ic->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

long vm_set_irqchip(struct kfile *f, void *arg)
{
	struct irqchip *ic = vm_irqchip(f->vm);
	const struct kvm_irqchip *chip = arg;

	if (!arch_irqchip_full(f->vm))
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pic_set_state(ic->pic, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_set_state(ic->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

/* -- LAPIC ------------------------------------------------------------------------------ */

/* The state is checked before the pointer. */
long vcpu_get_lapic(struct kfile *f, void *arg)
{
	struct lapic *l = f->vcpu->cpu->lapic;
	struct kvm_lapic_state s;

	if (!l)
		return -EINVAL;
	lapic_get_state(l, &s);
	return copy_to_user(arg, &s, sizeof(s));
}

long vcpu_set_lapic(struct kfile *f, void *arg)
{
	struct lapic *l = f->vcpu->cpu->lapic;
	struct kvm_lapic_state s;

	if (!l)
		return -EINVAL;
	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	return lapic_set_state(l, &s);
}

/* -- PIT ---------------------------------------------------------------------------------- */

long vm_get_pit2(struct kfile *f, void *arg)
{
	struct pit *p = irqchip_pit(vm_irqchip(f->vm));
	struct kvm_pit_state2 s;

	if (!p)
		return -ENXIO;
	pit_get_state(p, &s);
	return copy_to_user(arg, &s, sizeof(s));
}

long vm_set_pit2(struct kfile *f, void *arg)
{
	struct pit *p = irqchip_pit(vm_irqchip(f->vm));

	if (!p)
		return -ENXIO;
	pit_set_state(p, arg);
	return 0;
}

/* The layouts share their beginning: KVM_GET_PIT knows no flags. */
long vm_get_pit(struct kfile *f, void *arg)
{
	struct pit *p = irqchip_pit(vm_irqchip(f->vm));
	struct kvm_pit_state *out = arg;
	struct kvm_pit_state2 s;

	if (!p)
		return -ENXIO;
	pit_get_state(p, &s);
	memcpy(out->channels, s.channels, sizeof(out->channels));
	return 0;
}

long vm_set_pit(struct kfile *f, void *arg)
{
	struct pit *p = irqchip_pit(vm_irqchip(f->vm));

	if (!p)
		return -ENXIO;
	pit_set_channels(p, arg);
	return 0;
}

long vm_reinject_control(struct kfile *f, void *arg)
{
	struct pit *p = irqchip_pit(vm_irqchip(f->vm));
	const struct kvm_reinject_control *control = arg;

	if (!p)
		return -ENXIO;
	pit_set_reinject(p, control->pit_reinject);
	return 0;
}

/* -- KVM_INTERRUPT ---------------------------------------------------------------------------- */

/* No LAPIC here: the vector is the next interrupt the guest takes. */
static void queue_interrupt(struct cpu *c, u8 vector)
{
	c->ev.irq_injected = true;
	c->ev.irq_soft = false;
	c->ev.irq_vector = vector;
}

long vcpu_interrupt(struct kfile *f, void *arg)
{
	const struct kvm_interrupt *irq = arg;
	struct cpu *c = f->vcpu->cpu;

	if (irq->irq >= NR_VECTORS)
		return -EINVAL;
	if (!arch_irqchip_in_kernel(f->vm)) {
		queue_interrupt(c, irq->irq);
		irqchip_ops->interrupt(c);
		return 0;
	}
	if (arch_irqchip_full(f->vm))
		return -ENXIO;
	if (!c->lapic || !lapic_queue_extint(c->lapic, irq->irq))
		return -EEXIST;
	return 0;
}
