/* SPDX-License-Identifier: MIT */
/*
 * Random bytes as guest code in every mode, with random state: each KVM_RUN
 * ends in a documented way, and the engine survives.
 *
 * ANYKVM_FUZZ_SECONDS lengthens it, ANYKVM_FUZZ_SEED repeats one run.
 */
#include "guest.h"

static u64 seed;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d;
}

static u64 pick(u64 n)
{
	return (rnd() >> 20) % n;
}

static bool one_in(u64 n)
{
	return !pick(n);
}

/* -- Code -------------------------------------------------------------------------- */

static u32 gen_prefixes(u8 *p)
{
	static const u8 prefix[] = {
		0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
		0x48, 0x41, 0x4c, 0x44,
	};
	u32 n = 0;

	while (n < 4 && one_in(3))
		p[n++] = prefix[pick(sizeof(prefix))];
	return n;
}

static u32 gen_opcode(u8 *p)
{
	u32 n = 0;

	switch (pick(8)) {
	case 0: case 1: case 2:
		p[n++] = rnd();
		return n;
	case 3: case 4: case 5:
		p[n++] = 0x0f;
		p[n++] = rnd();
		return n;
	case 6:
		p[n++] = 0x0f;
		p[n++] = one_in(2) ? 0x38 : 0x3a;
		p[n++] = rnd();
		return n;
	default:	/* VEX */
		if (one_in(2)) {
			p[n++] = 0xc5;
		} else {
			p[n++] = 0xc4;
			p[n++] = (rnd() & 0xe0) | (1 + pick(3));
		}
		p[n++] = rnd();
		p[n++] = rnd();
		return n;
	}
}

static void gen_code(u8 *code, u32 size)
{
	u32 n = 0;

	while (n + 24 < size) {
		n += gen_prefixes(code + n);
		n += gen_opcode(code + n);
		for (u32 i = pick(7); i; i--)
			code[n++] = rnd();
	}
	while (n < size)
		code[n++] = rnd();
}

/* -- State -------------------------------------------------------------------------- */

static u64 gen_value(void)
{
	switch (pick(10)) {
	case 0: return rnd();
	case 1: return pick(16);
	case 2: return -pick(16);
	case 3: return GUEST_MMIO + pick(0x2000);
	case 4: return 0x7ffffffffff8 + pick(16);
	case 5: return GUEST_RAM - pick(32);
	case 6: return 0xfee00000 + pick(0x400);
	case 7: return (pick(GUEST_RAM >> 12) << 12) - pick(32);
	default: return GUEST_DATA + pick(0x30000);
	}
}

static void gen_regs(struct guest *g)
{
	struct kvm_regs r;
	u64 *gpr = (u64 *)&r;

	guest_regs(g, 0, &r);
	for (int i = 0; i < 16; i++) {
		if (i != 6 || one_in(8))	/* RSP */
			gpr[i] = gen_value();
	}
	if (one_in(3))
		r.rcx = pick(64);
	r.rflags = one_in(4) ? rnd() & 0x3f7fd7 : (rnd() & 0xed5) | 2;
	if (one_in(64))
		r.rip = gen_value();
	guest_set_regs(g, 0, &r);
}

static void gen_segment(struct kvm_segment *s)
{
	if (!one_in(24))
		return;
	s->base = gen_value();
	s->limit = gen_value();
	s->selector = rnd();
	s->type = pick(16);
	s->dpl = pick(4);
	s->db = pick(2);
	s->l = pick(2);
	s->g = pick(2);
	s->s = pick(2);
	s->present = !one_in(4);
	s->unusable = one_in(8);
}

static void gen_sregs(struct guest *g)
{
	struct kvm_sregs s;
	struct kvm_segment *seg = &s.cs;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &s));
	for (int i = 0; i < 8; i++)
		gen_segment(&seg[i]);
	if (one_in(4))
		s.cs.dpl = s.ss.dpl = 3;
	for (int i = one_in(8) ? 3 : 0; i; i--)
		s.cr4 ^= 1ull << pick(24);
	for (int i = one_in(8) ? 2 : 0; i; i--)
		s.cr0 ^= 1ull << pick(32);
	if (one_in(16))
		s.cr3 = gen_value();
	if (one_in(16))
		s.efer ^= 1ull << pick(16);
	if (one_in(16))
		s.gdt.base = s.idt.base = gen_value();
	s.cr8 = pick(16);
	if (one_in(4))
		s.cr4 |= 0x40000;		/* OSXSAVE */
	if (kvm_ioctl(g->vcpu[0], KVM_SET_SREGS, &s) < 0)
		assert_int_equal(errno, EINVAL);
}

static void gen_events(struct guest *g)
{
	struct kvm_vcpu_events e;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_VCPU_EVENTS, &e));
	e.exception.injected = one_in(4);
	e.exception.nr = pick(32);
	e.exception.has_error_code = pick(2);
	e.exception.error_code = rnd();
	e.interrupt.injected = one_in(4);
	e.interrupt.nr = rnd();
	e.interrupt.shadow = pick(4);
	e.nmi.injected = one_in(4);
	e.nmi.pending = pick(2);
	e.nmi.masked = pick(2);
	e.smi.smm = one_in(8);
	e.smi.pending = one_in(8);
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		  KVM_VCPUEVENT_VALID_SMM;
	if (kvm_ioctl(g->vcpu[0], KVM_SET_VCPU_EVENTS, &e) < 0)
		assert_int_equal(errno, EINVAL);
}

static void gen_fpu(struct guest *g)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs = { { .value = pick(256) | 1 } } };
	struct kvm_fpu f;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_FPU, &f));
	for (u32 i = 0; i < sizeof(f.xmm); i++)
		((u8 *)f.xmm)[i] = rnd();
	f.fcw = rnd();
	f.fsw = rnd();
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_FPU, &f));
	if (kvm_ioctl(g->vcpu[0], KVM_SET_XCRS, &x) < 0)
		assert_int_equal(errno, EINVAL);
}

static void gen_debug(struct guest *g)
{
	struct kvm_guest_debug d = { 0 };

	if (one_in(32)) {
		d.control = KVM_GUESTDBG_ENABLE |
			    (rnd() & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP |
				      KVM_GUESTDBG_USE_HW_BP));
		d.arch.debugreg[0] = gen_value();
		d.arch.debugreg[7] = rnd() & 0xffff27ff;
	}
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_GUEST_DEBUG, &d));
}

static void gen_case(struct guest *g, u32 mode)
{
	u64 ip = GUEST_CODE + (one_in(8) ? 0xff0 + pick(16) : 0);

	gen_code(g->mem + GUEST_CODE, 0x2000);
	for (u32 i = 0; i < 16; i++)
		g->mem[GUEST_DATA + pick(0x1000)] = rnd();
	if (one_in(16))
		guest_word(g, GUEST_PML4)[pick(0x3000) / 8] ^= 1ull << pick(64);
	if (mode == 0)
		guest_real(g, 0, ip);
	else if (mode == 1)
		guest_prot32(g, 0, ip);
	else
		guest_long(g, 0, ip);
	gen_sregs(g);
	gen_regs(g);
	gen_fpu(g);
	if (one_in(16))
		gen_events(g);
	gen_debug(g);
}

/* -- Runs ---------------------------------------------------------------------------- */

static bool documented(const struct kvm_run *run, int r)
{
	switch (r) {
	case -EINTR: case -EAGAIN:
	case KVM_EXIT_IO: case KVM_EXIT_MMIO: case KVM_EXIT_HLT: case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_DEBUG: case KVM_EXIT_SET_TPR: case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_IOAPIC_EOI:
		return true;
	case KVM_EXIT_INTERNAL_ERROR:
		return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ||
		       run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV;
	default:
		return false;
	}
}

struct kicker {
	pthread_t target;
	volatile bool stop;
};

static volatile u64 case_started, case_seed;
static u32 cases;

static void *kick(void *arg)
{
	struct kicker *k = arg;

	while (!k->stop) {
		usleep(1000);
		pthread_kill(k->target, SIGUSR1);
		if (now_ns() - case_started > 10000000000ull) {
			fprintf(stderr, "hang: seed %#lx\n", case_seed);
			abort();
		}
	}
	return NULL;
}

/* -- A VMM that writes kvm_run and the ring while the guest runs ------------------- */

struct scribbler {
	struct kvm_run *run;
	volatile bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	volatile u8 *b = (u8 *)s->run;
	u64 x = case_seed | 1;

	while (!s->stop) {
		x = x * 6364136223846793005 + 1442695040888963407;
		switch (x >> 60) {
		case 0:
			s->run->kvm_dirty_regs = x >> 40 & 7;
			break;
		case 1:
			s->run->kvm_valid_regs = x >> 40 & 7;
			break;
		case 2:
			s->run->cr8 = x >> 40 & 0x1f;
			break;
		case 3:
			s->run->immediate_exit = s->run->request_interrupt_window = x >> 40 & 1;
			break;
		case 4: case 5:		/* the ring's header */
			*(volatile u32 *)(b + 2 * PG + (x >> 40 & 4)) = x >> 24 & 0xff;
			break;
		case 6: case 7: case 8:
			b[2 * PG + (x >> 40) % PG] = x >> 24;
			break;
		case 9: case 10:	/* the synced registers */
			b[304 + (x >> 40) % 520] = x >> 24;
			break;
		default:
			b[32 + (x >> 40) % 256] = x >> 24;
		}
	}
	return NULL;
}

static void add_zones(struct guest *g)
{
	struct kvm_coalesced_mmio_zone z = { .addr = GUEST_MMIO, .size = 0x1000 };

	assert_ok(kvm_ioctl(g->vm, KVM_REGISTER_COALESCED_MMIO, &z));
	z = (struct kvm_coalesced_mmio_zone){ .addr = 0, .size = 0x100, .pio = 1 };
	assert_ok(kvm_ioctl(g->vm, KVM_REGISTER_COALESCED_MMIO, &z));
}

static void run_hostile(struct guest *g)
{
	struct scribbler s = { .run = g->run[0] };
	pthread_t t;

	add_zones(g);
	pthread_create(&t, NULL, scribble, &s);
	for (int i = 0; i < 64; i++) {
		case_started = now_ns();
		gen_case(g, pick(3));
		for (int j = 0; j < 200; j++) {
			int r = guest_run(g, 0);

			if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EINVAL)
				fail_msg("result %d, seed %#lx", r, case_seed);
		}
	}
	s.stop = true;
	pthread_join(t, NULL);
}

/* -- All together ------------------------------------------------------------------- */

static void run_case(struct guest *g)
{
	for (int i = 0; i < 24; i++) {
		int r = guest_run(g, 0);

		if (!documented(g->run[0], r))
			fail_msg("result %d, exit %u/%u, seed %#lx", r,
				 g->run[0]->exit_reason, g->run[0]->internal.suberror,
				 case_seed);
		if (r == KVM_EXIT_MMIO || r == KVM_EXIT_IO)
			for (int j = 0; j < 8; j++)
				g->run[0]->mmio.data[j] ^= one_in(2) && r == KVM_EXIT_MMIO ?
							   rnd() : 0;
		else if (r == -EINTR || r == KVM_EXIT_INTERNAL_ERROR || one_in(2))
			return;
	}
}

static void run_cases(struct guest *g, u64 end)
{
	for (int i = 0; i < 64 && now_ns() < end; i++, cases++) {
		case_started = now_ns();
		gen_case(g, pick(3));
		run_case(g);
	}
}

static void fuzz(u32 flags, u32 ms, bool hostile)
{
	struct kicker k = { .target = pthread_self() };
	const char *seconds = getenv("ANYKVM_FUZZ_SECONDS");
	const char *one = getenv("ANYKVM_FUZZ_SEED");
	u64 end = now_ns() + (seconds ? atoi(seconds) * 1000ull : ms) * 1000000;
	u64 next = one ? strtoull(one, NULL, 0) : seconds ? now_ns() : 0x9e3779b97f4a7c15;
	pthread_t t;

	kick_prepare();
	case_started = now_ns();
	pthread_create(&t, NULL, kick, &k);
	do {
		struct guest g;

		seed = case_seed = next;
		guest_create(&g, flags, 1);
		if (hostile)
			run_hostile(&g);
		else
			run_cases(&g, end);
		next = rnd() | 1;
		guest_destroy(&g);
	} while (now_ns() < end && !one);
	k.stop = true;
	pthread_join(t, NULL);
	if (seconds)
		print_message("%u cases\n", cases);
}

static void fuzz_plain(void **state)
{
	fuzz(GUEST_PLAIN, 600, false);
}

static void fuzz_irqchip(void **state)
{
	fuzz(GUEST_IRQCHIP | GUEST_PIT, 400, false);
}

static void hostile_vmm(void **state)
{
	fuzz(GUEST_PLAIN, 200, true);
	fuzz(GUEST_IRQCHIP | GUEST_PIT, 200, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fuzz_plain),
		cmocka_unit_test(fuzz_irqchip),
		cmocka_unit_test(hostile_vmm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
