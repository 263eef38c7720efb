/* SPDX-License-Identifier: MIT */
/* Decoding: every row has a decoder, and no argument brings one down. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "anykvm.h"
#include "lib/kvm_api.h"
#include "lib/random.h"
#include "util/guard.h"
#include "watch/trace/decode.h"

static const struct row {
	enum scope scope;
	u32 cmd;
	const char *name;
} rows[] = {
#define IOCTL(scope, cmd, kind, fn) { SCOPE_##scope, (u32)cmd, #scope " " #cmd },
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) { SCOPE_##scope, (u32)cmd, #scope " " #cmd },
#include "arch_ioctls.def"
};

static char text[OUT_SIZE];

static struct out make_out(bool json)
{
	return (struct out){ .p = text, .start = text, .end = text + sizeof(text), .json = json };
}

static void decode(struct out *o, struct kfile *f, u32 cmd, const void *arg, long ret)
{
	struct watch_call call = {
		.fd = 9, .file = f, .cmd = cmd, .arg = (uintptr_t)arg, .ret = ret,
		.desc = ioctl_find(f->scope, cmd),
	};
	const struct decode d = { .o = o, .call = &call, .head = 0x100000004 };

	decode_arg(&d);
}

static void expect(enum scope scope, u32 cmd, const void *arg, long ret, const char *as_text,
		   const char *as_json)
{
	struct kfile f = { .scope = scope };

	for (int json = 0; json <= 1; json++) {
		struct out o = make_out(json);

		decode(&o, &f, cmd, arg, ret);
		*o.p = 0;
		assert_string_equal(text, json ? as_json : as_text);
	}
}

static void every_row_is_decoded(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ioctl_desc *d = ioctl_find(rows[i].scope, rows[i].cmd);

		assert_non_null(d);
		if (!decode_row(d))
			fail_msg("%s has no decoder", rows[i].name);
	}
}

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (!guard_fault(sig, info, ucontext))
		abort();
}

/* cmocka has handlers of its own in each test. */
static void catch_faults(void)
{
	const struct sigaction sa = {
		.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static void known_arguments(void **state)
{
	const struct kvm_userspace_memory_region region = {
		.slot = 3, .flags = KVM_MEM_LOG_DIRTY_PAGES | 8, .memory_size = 0x1000,
	};
	const struct kvm_irq_level level = { .status = -1, .level = 9 };
	const struct kvm_mp_state state_ = { KVM_MP_STATE_HALTED };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[2];
	} msrs = { { .nmsrs = 2 }, { { .index = 0x10, .data = 7 }, { .index = 0xdead } } };

	catch_faults();
	expect(SCOPE_SYSTEM, KVM_CHECK_EXTENSION, (void *)KVM_CAP_IRQCHIP, 1, "KVM_CAP_IRQCHIP",
	       "\"KVM_CAP_IRQCHIP\"");
	expect(SCOPE_SYSTEM, KVM_CHECK_EXTENSION, (void *)9999, 0, "9999", "9999");
	expect(SCOPE_SYSTEM, KVM_GET_API_VERSION, NULL, 12, "0", "0");
	expect(SCOPE_VM, KVM_SET_USER_MEMORY_REGION, &region, -EINVAL,
	       "{slot=3, flags=KVM_MEM_LOG_DIRTY_PAGES|0x8, guest_phys_addr=0x0, "
	       "memory_size=0x1000, userspace_addr=0x0}",
	       "{\"slot\":3,\"flags\":[\"KVM_MEM_LOG_DIRTY_PAGES\",\"0x8\"],"
	       "\"guest_phys_addr\":\"0x0\",\"memory_size\":\"0x1000\",\"userspace_addr\":\"0x0\"}");
	expect(SCOPE_VM, KVM_IRQ_LINE_STATUS, &level, 0, "{irq=4, level=1, status=-1}",
	       "{\"irq\":4,\"level\":1,\"status\":-1}");
	expect(SCOPE_VCPU, KVM_GET_MP_STATE, &state_, 0, "{mp_state=KVM_MP_STATE_HALTED}",
	       "{\"mp_state\":\"KVM_MP_STATE_HALTED\"}");
	expect(SCOPE_VCPU, KVM_GET_MP_STATE, (void *)0x10, -EFAULT, "0x10", "\"0x10\"");
	expect(SCOPE_VCPU, KVM_SET_MP_STATE, NULL, -EFAULT, "NULL", "null");
	expect(SCOPE_SYSTEM, KVM_GET_MSRS, &msrs, 1,
	       "{nmsrs=2, entries=[{index=TSC, data=0x7}, {index=0xdead}]}",
	       "{\"nmsrs\":2,\"entries\":[{\"index\":\"TSC\",\"data\":\"0x7\"},"
	       "{\"index\":\"0xdead\"}]}");
}

/* Of a list given again only what differs is shown. */
static void changes(void **state)
{
	struct vcpu vcpu = { 0 };
	struct kfile f = { .scope = SCOPE_VCPU, .vcpu = &vcpu };
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[2];
	} list = { { .nent = 2 }, { { .function = 1, .eax = 5 }, { .function = 2 } } };
	struct out o = make_out(false);

	decode(&o, &f, KVM_SET_CPUID2, &list, 0);
	list.entries[0].eax = 6;
	o = make_out(false);
	decode(&o, &f, KVM_SET_CPUID2, &list, 0);
	*o.p = 0;
	assert_string_equal(text, "{nent=2, entries=[{function=0x1, index=0x0, flags=0, eax=0x6, "
			    "ebx=0x0, ecx=0x0, edx=0x0}], unchanged=1, against=vcpu}");
	list.head.nent = 1;
	o = make_out(false);
	decode(&o, &f, KVM_SET_CPUID2, &list, 0);
	*o.p = 0;
	assert_string_equal(text, "{nent=1, entries=[], removed=[{function=0x2, index=0x0}], "
			    "unchanged=1, against=vcpu}");
	changes_forget(&vcpu);
}

/* Structures of noise whose end may be missing, and pointers that lead nowhere. */
static void hostile_arguments(void **state)
{
	u8 *pages = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vcpu vcpu = { 0 };
	u64 r = 1;

	catch_faults();
	mprotect(pages + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	for (u32 round = 0; round < 60; round++) {
		for (u32 i = 0; i < 2 * PAGE_SIZE; i += 8)
			*(u64 *)(pages + i) = random_next(&r) >> (random_next(&r) % 64);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct kfile f = { .scope = rows[i].scope };
			struct out o = make_out(round & 1);
			u64 at = random_next(&r) % (2 * PAGE_SIZE + 64);

			if (rows[i].cmd == (u32)KVM_GET_DIRTY_LOG)
				continue;	/* asks the VM for the slot */
			f.vcpu = f.scope == SCOPE_VCPU ? &vcpu : NULL;
			decode(&o, &f, rows[i].cmd,
			       round % 5 ? pages + at : (void *)random_next(&r),
			       (long)(random_next(&r) % 5) - 2);
			assert_false(o.overflow);
			assert_true(o.p < text + OUT_SIZE);
		}
	}
	changes_forget(&vcpu);
	munmap(pages, 3 * PAGE_SIZE);
}

static void exits_by_name(void **state)
{
	static struct recorder r;
	static struct kvm_run run;
	static u8 data[PAGE_SIZE] = "a\n\x01";
	struct vcpu vcpu = { .run = &run, .pio_data = data };

	for (u32 reason = 0; reason < 300; reason++) {
		memset(run.padding, 0xff, sizeof(run.padding));
		run.exit_reason = reason;
		r.o = make_out(false);
		decode_exit(&r, &vcpu);
		assert_false(r.o.overflow);
	}
	run.exit_reason = KVM_EXIT_IO;
	run.io = (__typeof__(run.io)){ KVM_EXIT_IO_OUT, 1, 0x80, 3, 4096 };
	r.o = make_out(false);
	decode_exit(&r, &vcpu);
	*r.o.p = 0;
	assert_string_equal(text, "exit_reason=KVM_EXIT_IO, io={direction=KVM_EXIT_IO_OUT, size=1, "
			    "port=0x80, count=3, data=\"a\\n\\x01\"}");
	run.exit_reason = KVM_EXIT_MMIO;
	run.mmio = (__typeof__(run.mmio)){ 0xfee00000, { 0x34, 0x12 }, 2, 1 };
	for (int again = 0; again < 2; again++) {
		r.o = make_out(true);
		decode_exit(&r, &vcpu);
		*r.o.p = 0;
		assert_string_equal(text, "\"exit_reason\":\"KVM_EXIT_MMIO\",\"mmio\":{\"phys_addr\":"
				    "\"0xfee00000\",\"len\":2,\"is_write\":1,\"data\":\"0x1234\"}");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_decoded), cmocka_unit_test(known_arguments),
		cmocka_unit_test(changes), cmocka_unit_test(hostile_arguments),
		cmocka_unit_test(exits_by_name),
	};

	guard_prepare_thread();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
