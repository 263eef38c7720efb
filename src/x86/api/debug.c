/* SPDX-License-Identifier: MIT */
/* KVM_SET_GUEST_DEBUG (api.rst 4.87). */
#include <errno.h>
#include <string.h>

#include "x86/api/api.h"

static void inject(struct cpu *c, u8 vector)
{
	c->ev.exc_pending = true;
	c->ev.exc_injected = false;
	c->ev.exc = (struct exception){ .vector = vector, .soft = vector == EXC_BP };
}

long vcpu_set_guest_debug(struct kfile *f, void *arg)
{
	const struct kvm_guest_debug *d = arg;
	struct cpu *c = kfile_cpu(f);

	if (d->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		if (c->ev.exc_pending || c->ev.triple_fault)
			return -EBUSY;
		inject(c, d->control & KVM_GUESTDBG_INJECT_DB ? EXC_DB : EXC_BP);
	}
	c->pending_db = 0;
	c->guest_debug = d->control & KVM_GUESTDBG_ENABLE ? d->control : 0;
	if (c->guest_debug & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(c->debug_dr, d->arch.debugreg, sizeof(c->debug_dr));
		c->debug_dr7 = d->arch.debugreg[7];
	} else {
		memset(c->debug_dr, 0, sizeof(c->debug_dr));
		c->debug_dr7 = 0;
	}
	cpu_mode_changed(c);
	vcpu_events_changed(c);
	return 0;
}
