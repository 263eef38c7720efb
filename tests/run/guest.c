/* SPDX-License-Identifier: MIT */
#include "guest.h"

/* -- VMs ------------------------------------------------------------------------- */

static void add_vcpu(struct guest *g, struct kvm_cpuid2 *cpuid)
{
	u32 i = g->nr++;

	g->vcpu[i] = new_vcpu(g->vm, i);
	g->run[i] = map_run(g->vcpu[i]);
	for (u32 e = 0; e < cpuid->nent; e++) {
		if (cpuid->entries[e].function == 1) {
			cpuid->entries[e].ebx &= 0xffffff;
			cpuid->entries[e].ebx |= i << 24;
			cpuid->entries[e].ecx |= 1 << 24 | 1 << 21;	/* deadline, x2APIC */
		}
	}
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_CPUID2, cpuid));
}

static struct kvm_cpuid2 *supported_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	int sys = kvm_open(O_RDWR);

	c->nent = 256;
	assert_ok(kvm_ioctl(sys, KVM_GET_SUPPORTED_CPUID, c));
	close(sys);
	return c;
}

static void page_tables(struct guest *g)
{
	u64 *pml4 = (u64 *)(g->mem + GUEST_PML4), *pdpt = pml4 + 512, *pd = pdpt + 512;

	pml4[0] = (GUEST_PML4 + 0x1000) | 7;
	for (int i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PML4 + 0x2000 + i * 0x1000) | 7;
	for (u64 i = 0; i < 2048; i++)
		pd[i] = i << 21 | 0x87;
}

static void tables(struct guest *g)
{
	u64 *gdt = (u64 *)(g->mem + GUEST_GDT);

	page_tables(g);
	gdt[SEL_CODE64 / 8] = 0x00af9b000000ffff;
	gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
	gdt[SEL_CODE32 / 8] = 0x00cf9b000000ffff;
	gdt[SEL_TSS / 8] = 0x00008b0000000067 | (u64)GUEST_TSS << 16;
}

void guest_create(struct guest *g, u32 flags, u32 nr_vcpus)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_enable_cap ring = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { PG } };
	struct kvm_pit_config pit = { 0 };

	memset(g, 0, sizeof(*g));
	g->vm = new_vm();
	if (flags & GUEST_IRQCHIP)
		assert_ok(kvm_ioctl_val(g->vm, KVM_CREATE_IRQCHIP, 0));
	if (flags & GUEST_SPLIT)
		assert_ok(kvm_ioctl(g->vm, KVM_ENABLE_CAP, &split));
	if (flags & GUEST_DIRTY_RING)
		assert_ok(kvm_ioctl(g->vm, KVM_ENABLE_CAP, &ring));
	if (flags & GUEST_PIT)
		assert_ok(kvm_ioctl(g->vm, KVM_CREATE_PIT2, &pit));
	g->mem = guest_ram(GUEST_RAM);
	assert_ok(set_region(g->vm, 0, 0, 0, GUEST_RAM, g->mem));
	tables(g);
	while (g->nr < nr_vcpus)
		add_vcpu(g, cpuid);
	free(cpuid);
}

void guest_destroy(struct guest *g)
{
	for (u32 i = 0; i < g->nr; i++) {
		munmap(g->run[i], 3 * PG);
		close(g->vcpu[i]);
	}
	close(g->vm);
	munmap(g->mem, GUEST_RAM);
}

/* -- Modes ------------------------------------------------------------------------- */

static struct kvm_segment flat(u16 selector, u8 type, bool l, bool db)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type,
		.present = 1, .s = 1, .g = 1, .l = l, .db = db,
	};
}

static void begin_at(struct guest *g, u32 i, u64 ip, u64 sp)
{
	struct kvm_regs r = { .rip = ip, .rsp = sp, .rflags = 2 };

	guest_set_mp_state(g, i, KVM_MP_STATE_RUNNABLE);
	guest_set_regs(g, i, &r);
}

static u64 stack_of(u32 i)
{
	return GUEST_STACK + i * 0x10000;
}

static void set_tables(struct kvm_sregs *s)
{
	s->gdt.base = GUEST_GDT;
	s->gdt.limit = 0x2f;
	s->tr = (struct kvm_segment){
		.base = GUEST_TSS, .limit = 0x67, .selector = SEL_TSS,
		.type = 11, .present = 1,
	};
}

void guest_real(struct guest *g, u32 i, u64 ip)
{
	struct kvm_sregs s;
	struct kvm_segment d = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };

	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_SREGS, &s));
	s.cs = s.ds = s.es = s.ss = s.fs = s.gs = d;
	s.cs.base = ip & ~0xfffful;
	s.cs.selector = s.cs.base >> 4;
	s.idt.base = 0;
	s.idt.limit = 0x3ff;
	s.cr0 = 0x10;
	s.cr3 = s.cr4 = s.efer = 0;
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_SREGS, &s));
	begin_at(g, i, ip & 0xffff, 0x6000 - i * 0x400);
}

void guest_prot32(struct guest *g, u32 i, u64 ip)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_SREGS, &s));
	s.cs = flat(SEL_CODE32, 11, false, true);
	s.ds = s.es = s.ss = s.fs = s.gs = flat(SEL_DATA, 3, false, true);
	set_tables(&s);
	s.idt.base = GUEST_IDT;
	s.idt.limit = 0x7ff;
	s.cr0 = 0x33;
	s.cr3 = s.efer = 0;
	s.cr4 = 0x600;
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_SREGS, &s));
	begin_at(g, i, ip, stack_of(i));
}

void guest_long(struct guest *g, u32 i, u64 ip)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_SREGS, &s));
	s.cs = flat(SEL_CODE64, 11, true, false);
	s.ds = s.es = s.ss = s.fs = s.gs = flat(SEL_DATA, 3, false, true);
	set_tables(&s);
	s.idt.base = GUEST_IDT;
	s.idt.limit = 0xfff;
	s.cr0 = 0x80000033;
	s.cr3 = GUEST_PML4;
	s.cr4 = 0x620;		/* PAE, OSFXSR, OSXMMEXCPT */
	s.efer = 0xd00;		/* LME, LMA, NXE */
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_SREGS, &s));
	begin_at(g, i, ip, stack_of(i));
}

void guest_gate(struct guest *g, u8 vector, u64 handler)
{
	u64 *gate = (u64 *)(g->mem + GUEST_IDT) + vector * 2;

	gate[0] = (handler & 0xffff) | SEL_CODE64 << 16 | 0x8e00ull << 32 |
		  (handler >> 16 & 0xffff) << 48;
	gate[1] = handler >> 32;
}

/* -- Running ------------------------------------------------------------------------ */

int guest_run(struct guest *g, u32 i)
{
	return kvm_ioctl_val(g->vcpu[i], KVM_RUN, 0) < 0 ? -errno :
							     (int)g->run[i]->exit_reason;
}

void guest_regs(struct guest *g, u32 i, struct kvm_regs *r)
{
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_REGS, r));
}

void guest_set_regs(struct guest *g, u32 i, const struct kvm_regs *r)
{
	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_REGS, (void *)r));
}

u64 guest_rip(struct guest *g, u32 i)
{
	struct kvm_regs r;

	guest_regs(g, i, &r);
	return r.rip;
}

u64 guest_rax(struct guest *g, u32 i)
{
	struct kvm_regs r;

	guest_regs(g, i, &r);
	return r.rax;
}

u32 guest_mp_state(struct guest *g, u32 i)
{
	struct kvm_mp_state s;

	assert_ok(kvm_ioctl(g->vcpu[i], KVM_GET_MP_STATE, &s));
	return s.mp_state;
}

void guest_set_mp_state(struct guest *g, u32 i, u32 state)
{
	struct kvm_mp_state s = { state };

	assert_ok(kvm_ioctl(g->vcpu[i], KVM_SET_MP_STATE, &s));
}

/* -- Exits -------------------------------------------------------------------------- */

void assert_io(struct guest *g, u8 direction, u8 size, u16 port, u32 count)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_IO);
	assert_int_equal(g->run[0]->io.direction, direction);
	assert_int_equal(g->run[0]->io.size, size);
	assert_int_equal(g->run[0]->io.port, port);
	assert_int_equal(g->run[0]->io.count, count);
	assert_int_equal(g->run[0]->io.data_offset, PG);
}

void assert_mmio_read(struct guest *g, u64 addr, u32 len, const void *answer)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_MMIO);
	assert_false(g->run[0]->mmio.is_write);
	assert_int_equal(g->run[0]->mmio.phys_addr, addr);
	assert_int_equal(g->run[0]->mmio.len, len);
	memcpy(g->run[0]->mmio.data, answer, len);
}

void assert_mmio_write(struct guest *g, u64 addr, u32 len, const void *data)
{
	assert_int_equal(guest_run(g, 0), KVM_EXIT_MMIO);
	assert_true(g->run[0]->mmio.is_write);
	assert_int_equal(g->run[0]->mmio.phys_addr, addr);
	assert_int_equal(g->run[0]->mmio.len, len);
	assert_memory_equal(g->run[0]->mmio.data, data, len);
}

/* -- Threads ------------------------------------------------------------------------- */

IN_SIGNAL_HANDLER static void on_kick(int sig)
{
	if (!anykvm_signal_is_masked(sig))
		anykvm_signalled(sig);
}

void kick_prepare(void)
{
	set_handler(SIGUSR1, on_kick, 0);
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;

	r->begun = true;
	do {
		r->result = guest_run(r->g, r->i);
	} while (!r->stop && (r->result == -EINTR || r->result == -EAGAIN));
	r->done = true;
	return NULL;
}

void runner_start(struct runner *r, struct guest *g, u32 i)
{
	kick_prepare();
	*r = (struct runner){ .g = g, .i = i };
	assert_int_equal(pthread_create(&r->thread, NULL, runner_main, r), 0);
	while (!r->begun)
		usleep(50);
}

int runner_join(struct runner *r)
{
	pthread_join(r->thread, NULL);
	return r->result;
}

int runner_stop(struct runner *r)
{
	r->stop = true;
	while (!r->done) {
		pthread_kill(r->thread, SIGUSR1);
		usleep(500);
	}
	return runner_join(r);
}

/* How far it is only its state tells, and that KVM_RUN must have ended. */
void runner_stop_halted(struct runner *r)
{
	struct guest *g = r->g;
	u32 i = r->i;

	for (;;) {
		assert_int_equal(runner_stop(r), -EINTR);
		if (guest_mp_state(g, i) == KVM_MP_STATE_HALTED)
			return;
		runner_start(r, g, i);
		usleep(500);
	}
}
