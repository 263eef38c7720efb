/* SPDX-License-Identifier: MIT */
#define SEMANTICS "dispatch.def"
#include "semantics.h"

#include <sys/eventfd.h>

GUEST_BLOB(wide_write);
GUEST_BLOB(tpr_and_rbx);
GUEST_BLOB(bells);
GUEST_BLOB(writes);
GUEST_BLOB(jump);
GUEST_BLOB(load_and_store);
GUEST_BLOB(touch);

/* From the beginning of the code. */
static void restart(struct guest *g, u64 rbx, u64 rcx)
{
	struct kvm_regs r;

	guest_long(g, 0, GUEST_CODE);
	guest_regs(g, 0, &r);
	r.rbx = rbx;
	r.rcx = rcx;
	guest_set_regs(g, 0, &r);
}

static void start(struct guest *g, u32 flags, const u8 *code, const u8 *end, u64 rbx, u64 rcx)
{
	guest_create(g, flags, 1);
	memcpy(g->mem + GUEST_CODE, code, end - code);
	restart(g, rbx, rcx);
}

#define START(flags, name, rbx, rcx) \
	struct guest g; start(&g, flags, guest_##name, guest_##name##_end, rbx, rcx)

static int event(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* What it has been written since the last call. */
static u64 count(int fd)
{
	u64 n = 0;

	return read(fd, &n, sizeof(n)) < 0 ? 0 : n;
}

static void ioeventfd(struct guest *g, u64 addr, u32 len, int fd, u32 flags, u64 match)
{
	struct kvm_ioeventfd e = {
		.addr = addr, .len = len, .fd = fd, .flags = flags, .datamatch = match,
	};

	assert_ok(kvm_ioctl(g->vm, KVM_IOEVENTFD, &e));
}

static void zone(struct guest *g, unsigned long request, u64 addr, u32 size, u32 pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	assert_ok(kvm_ioctl(g->vm, request, &z));
}

static struct kvm_coalesced_mmio_ring *ring_of(struct guest *g)
{
	return (void *)((u8 *)g->run[0] + 2 * PG);
}

/* -- 32 ------------------------------------------------------------------------ */

static void lapic_before_all(void)
{
	int tpr = event(), bell = event();
	START(GUEST_IRQCHIP, tpr_and_rbx, GUEST_MMIO, 0);

	ioeventfd(&g, 0xfee00080, 4, tpr, 0, 0);
	zone(&g, KVM_REGISTER_COALESCED_MMIO, 0xfee00000, 0x1000, 0);
	ioeventfd(&g, GUEST_MMIO, 4, bell, 0, 0);
	zone(&g, KVM_REGISTER_COALESCED_MMIO, GUEST_MMIO, 4, 0);
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x10, 1);
	assert_int_equal(count(tpr), 0);
	assert_int_equal(g.run[0]->cr8, 5);
	assert_int_equal(count(bell), 1);
	assert_int_equal(ring_of(&g)->last, 0);
	guest_destroy(&g);
	close(tpr);
	close(bell);
}

static void zone_before_an_exit(void)
{
	START(GUEST_IRQCHIP, tpr_and_rbx, GUEST_MMIO, 0);

	zone(&g, KVM_REGISTER_COALESCED_MMIO, GUEST_MMIO, 4, 0);
	assert_io(&g, KVM_EXIT_IO_OUT, 1, 0x10, 1);
	assert_int_equal(ring_of(&g)->last, 1);
	zone(&g, KVM_UNREGISTER_COALESCED_MMIO, GUEST_MMIO, 4, 0);
	restart(&g, GUEST_MMIO, 0);
	assert_mmio_write(&g, GUEST_MMIO, 4, "\1\0\0\0");
	guest_destroy(&g);
}

/* Half of a wide write is taken, either half. */
static void the_rest_exits(u32 taken, u32 left)
{
	int bell = event();
	START(GUEST_PLAIN, wide_write, GUEST_MMIO, 0);

	ioeventfd(&g, GUEST_MMIO + taken, 8, bell, 0, 0);
	assert_mmio_write(&g, GUEST_MMIO + left, 8, "\0\0\0\0\0\0\0\0");
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(count(bell), 1);
	guest_destroy(&g);
	close(bell);
}

static void devices_come_before_exits(void **state)
{
	needs_guest();
	lapic_before_all();
	zone_before_an_exit();
	the_rest_exits(0, 8);
	the_rest_exits(8, 0);
}

/* -- 33 ------------------------------------------------------------------------ */

enum { ANY = 0xf };

/* Runs "bells"; of the writes of 1, 2, 4, 8 bytes those in @taken do not exit. */
static void ring_bells(struct guest *g, u32 taken, u32 pio_taken)
{
	for (u32 size = 1; size <= 8; size *= 2) {
		if (!(taken & size))
			assert_mmio_write(g, GUEST_MMIO, size, "\x34\x12\0\0\0\0\0\0");
	}
	assert_mmio_write(g, GUEST_MMIO + 4, 4, "\x34\x12\0\0");
	assert_mmio_read(g, GUEST_MMIO, 4, "abcd");
	for (u32 size = 1; size <= 4; size *= 2) {
		if (!(pio_taken & size))
			assert_io(g, KVM_EXIT_IO_OUT, size, 0x500, 1);
	}
	assert_io(g, KVM_EXIT_IO_IN, 2, 0x500, 1);
	assert_int_equal(guest_run(g, 0), KVM_EXIT_HLT);
}

static void with_ioeventfd(u64 addr, u32 len, u32 flags, u64 match, u32 taken, u32 pio_taken)
{
	u64 expected = __builtin_popcount(taken) + __builtin_popcount(pio_taken);
	int bell = event();
	START(GUEST_PLAIN, bells, GUEST_MMIO, 0);

	ioeventfd(&g, addr, len, bell, flags, match);
	ring_bells(&g, taken, pio_taken);
	assert_int_equal(count(bell), expected);
	guest_destroy(&g);
	close(bell);
}

static void an_ioeventfd_takes_the_write_it_names(void **state)
{
	const u32 match = KVM_IOEVENTFD_FLAG_DATAMATCH, pio = KVM_IOEVENTFD_FLAG_PIO;

	needs_guest();
	for (u32 size = 1; size <= 8; size *= 2)
		with_ioeventfd(GUEST_MMIO, size, 0, 0, size, 0);
	with_ioeventfd(GUEST_MMIO, 0, 0, 0, ANY, 0);
	with_ioeventfd(GUEST_MMIO + 1, 0, 0, 0, 0, 0);
	with_ioeventfd(GUEST_MMIO - 1, 2, 0, 0, 0, 0);
	with_ioeventfd(GUEST_MMIO, 4, match, 0x1234, 4, 0);
	with_ioeventfd(GUEST_MMIO, 4, match, 0x1235, 0, 0);
	for (u32 size = 1; size <= 4; size *= 2)
		with_ioeventfd(0x500, size, pio, 0, 0, size);
	with_ioeventfd(0x500, 0, pio, 0, 0, 7);
	with_ioeventfd(0x500, 1, pio | match, 0x34, 0, 1);
	with_ioeventfd(0x500, 1, pio | match, 0x35, 0, 0);
	with_ioeventfd(0x500, 4, 0, 0, 0, 0);	/* an address, not a port */
}

/* -- 34 ------------------------------------------------------------------------ */

enum { ENTRIES = 170 };

/* Takes the oldest entry. */
static struct kvm_coalesced_mmio take(struct guest *g)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(g);
	struct kvm_coalesced_mmio e;

	assert_int_not_equal(ring->first, ring->last);
	e = ring->coalesced_mmio[ring->first];
	ring->first = (ring->first + 1) % ENTRIES;
	return e;
}

static void assert_entry(struct guest *g, bool pio, u32 value)
{
	struct kvm_coalesced_mmio e = take(g);

	assert_int_equal(e.pio, pio);
	assert_int_equal(e.phys_addr, pio ? 0x500 : GUEST_MMIO);
	assert_int_equal(e.len, pio ? 2 : 4);
	assert_memory_equal(e.data, &value, e.len);
}

/* The order is kept, and a full ring exits. */
static void full_ring_exits(void)
{
	struct kvm_coalesced_mmio_ring *ring;
	u32 value = 400;
	START(GUEST_PLAIN, writes, GUEST_MMIO, value);

	ring = ring_of(&g);
	zone(&g, KVM_REGISTER_COALESCED_MMIO, GUEST_MMIO, 4, 0);
	zone(&g, KVM_REGISTER_COALESCED_MMIO, 0x500, 2, 1);
	/* 169 are in, beginning and ending with a write to memory. */
	assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x500, 1);
	assert_int_equal(ring->first, 0);
	assert_int_equal(ring->last, ENTRIES - 1);
	for (u32 i = 0; i < ENTRIES - 1; i++) {
		assert_entry(&g, i & 1, value);
		value -= i & 1;
	}
	assert_int_equal(ring->first, ring->last);
	assert_memory_equal(guest_pio(&g, 0), &value, 2);
	/* It goes on where it was. */
	value--;
	assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x500, 1);
	assert_int_equal((ring->last + 1) % ENTRIES, ring->first);
	assert_entry(&g, false, value);
	guest_destroy(&g);
}

static void ports_need_zones_of_ports(void)
{
	START(GUEST_PLAIN, writes, GUEST_MMIO, 3);

	zone(&g, KVM_REGISTER_COALESCED_MMIO, GUEST_MMIO, 4, 0);
	zone(&g, KVM_REGISTER_COALESCED_MMIO, 0x500, 2, 0);
	for (u32 value = 3; value; value--) {
		assert_io(&g, KVM_EXIT_IO_OUT, 2, 0x500, 1);
		assert_entry(&g, false, value);
		assert_int_equal(ring_of(&g)->first, ring_of(&g)->last);
	}
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_destroy(&g);
}

/* Whatever stands there, a write is an entry or an exit. */
static void impossible_indices(void)
{
	static const u32 bad[] = { ENTRIES, ENTRIES + 1, 1000, 0x7fffffff, 0x80000000, ~0u };
	struct kvm_coalesced_mmio_ring *ring;
	START(GUEST_PLAIN, writes, GUEST_MMIO, 40);

	zone(&g, KVM_REGISTER_COALESCED_MMIO, GUEST_MMIO, 4, 0);
	ring = ring_of(&g);
	for (u32 i = 0; i < 36; i++) {
		ring->first = bad[i % 6];
		ring->last = bad[i / 6];
		assert_mmio_write(&g, GUEST_MMIO, 4, &(u32){ 40 - i });
		assert_int_equal(ring->last, bad[i / 6]);
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	}
	ring->last = 0;
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	assert_int_equal(ring->last, 1);
	guest_destroy(&g);
}

static void coalesced_writes_wait_in_the_ring(void **state)
{
	assert_int_equal(offsetof(struct kvm_coalesced_mmio_ring, last), 4);
	assert_int_equal(sizeof(struct kvm_coalesced_mmio), 24);
	needs_guest();
	full_ring_exits();
	ports_need_zones_of_ports();
	impossible_indices();
}

/* -- 35 ------------------------------------------------------------------------ */

static void assert_emulation_failure(struct kvm_run *run)
{
	assert_int_equal(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}

static void new_vcpu_without_memory(void)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	struct kvm_run *run = map_run(vcpu);

	assert_ok(kvm_ioctl_val(vcpu, KVM_RUN, 0));
	assert_emulation_failure(run);
	munmap(run, 3 * PG);
	close(vcpu);
	close(vm);
}

static void fetching_from_nowhere_is_an_emulation_failure(void **state)
{
	struct kvm_enable_cap no_ud = {
		.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 },
	};
	u8 *rom;

	needs_guest();
	new_vcpu_without_memory();
	START(GUEST_PLAIN, jump, GUEST_MMIO, 0);
	assert_ok(kvm_ioctl(g.vm, KVM_ENABLE_CAP, &no_ud));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_INTERNAL_ERROR);
		assert_emulation_failure(g.run[0]);
		assert_int_equal(guest_rip(&g, 0), GUEST_MMIO);
	}
	rom = guest_ram(PG);
	rom[0] = 0xf4;		/* HLT */
	assert_ok(set_region(g.vm, 1, KVM_MEM_READONLY, GUEST_MMIO, PG, rom));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rip(&g, 0), GUEST_MMIO + 1);
	guest_destroy(&g);
	munmap(rom, PG);
}

/* -- 36 ------------------------------------------------------------------------ */

enum { ROM_TABLES = 6 * 4096, ACCESSED_DIRTY = 0x60 };

static void reads_and_writes(void)
{
	u8 *rom = guest_ram(PG);
	START(GUEST_PLAIN, load_and_store, GUEST_MMIO, 0);

	memcpy(rom, "rom data", 8);
	assert_ok(set_region(g.vm, 1, KVM_MEM_READONLY, GUEST_MMIO, PG, rom));
	assert_mmio_write(&g, GUEST_MMIO, 4, "\x07\0\0\0");
	assert_memory_equal(&(u64){ guest_rax(&g, 0) }, "rom data", 8);
	assert_mmio_write(&g, GUEST_MMIO, 4, "som ");	/* locked: read, and written */
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_memory_equal(rom, "rom data", 8);
	guest_destroy(&g);
	munmap(rom, PG);
}

static void use_tables_at(struct guest *g, u64 pml4)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &s));
	s.cr3 = pml4;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_SREGS, &s));
}

/* The guest's own tables, moved into ROM with their bits clear. */
static void page_tables_in_rom(void)
{
	u64 *rom = guest_ram(ROM_TABLES), *before = guest_ram(ROM_TABLES);
	START(GUEST_PLAIN, touch, 0, 0);

	memcpy(rom, g.mem + GUEST_PML4, ROM_TABLES);
	rom[0] += GUEST_MMIO - GUEST_PML4;
	for (int i = 0; i < 4; i++)
		rom[512 + i] += GUEST_MMIO - GUEST_PML4;
	for (u32 i = 0; i < ROM_TABLES / 8; i++)
		rom[i] &= ~(u64)ACCESSED_DIRTY;
	memcpy(before, rom, ROM_TABLES);
	assert_ok(set_region(g.vm, 1, KVM_MEM_READONLY, GUEST_MMIO, ROM_TABLES, rom));
	use_tables_at(&g, GUEST_MMIO);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	assert_memory_equal(rom, before, ROM_TABLES);
	guest_destroy(&g);
	munmap(rom, ROM_TABLES);
	munmap(before, ROM_TABLES);
}

static void a_readonly_slot_is_rom(void **state)
{
	u8 *rom;

	needs_guest();
	reads_and_writes();
	page_tables_in_rom();
	/* Code. */
	START(GUEST_PLAIN, jump, GUEST_MMIO, 0);
	rom = guest_ram(PG);
	memcpy(rom, guest_touch, guest_touch_end - guest_touch);
	assert_ok(set_region(g.vm, 1, KVM_MEM_READONLY, GUEST_MMIO, PG, rom));
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	assert_int_equal(*guest_word(&g, 0x40000), 1);
	guest_destroy(&g);
	munmap(rom, PG);
}
