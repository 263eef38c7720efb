/* SPDX-License-Identifier: MIT */
#define SEMANTICS "process.def"
#include "semantics.h"

#include <cpuid.h>
#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

GUEST_BLOB(proc_round);
GUEST_BLOB(proc_ticks);
GUEST_BLOB(irq_handler);
GUEST_BLOB(irq_bsp);
GUEST_BLOB(irq_ap);

#define HOLE	(GUEST_MMIO + PG)	/* a slot, and no memory behind it */

/* -- 56 --------------------------------------------------------------------------- */

#define ALLOW(name)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What the strictest of the VMMs leaves to its vCPU threads, and less. */
static void enter_sandbox(void)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(ioctl), ALLOW(futex), ALLOW(write), ALLOW(exit), ALLOW(exit_group),
		ALLOW(rt_sigreturn), ALLOW(rt_sigprocmask), ALLOW(clock_gettime),
		ALLOW(munmap), ALLOW(madvise), ALLOW(close), ALLOW(sched_yield),
		ALLOW(tkill), ALLOW(timerfd_settime),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	static const struct sock_fprog program = {
		sizeof(filter) / sizeof(filter[0]), filter,
	};

	assert_ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	assert_ok(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void *run_sandboxed(void *arg)
{
	struct guest *g = arg;

	enter_sandbox();
	for (u64 i = 0; i < 100; i++) {
		if (guest_run(g, 0) != KVM_EXIT_IO || guest_run(g, 0) != KVM_EXIT_MMIO ||
		    guest_run(g, 0) != -EFAULT)
			_exit(1);
		/* Past the load that the host refuses. */
		struct kvm_regs r;

		if (kvm_ioctl(g->vcpu[0], KVM_GET_REGS, &r))
			_exit(2);
		r.rip += 3;
		if (kvm_ioctl(g->vcpu[0], KVM_SET_REGS, &r))
			_exit(3);
	}
	_exit(0);
}

/* The filter cannot be left again: a process of its own. */
static void sandboxed_child(void)
{
	pthread_t thread;
	struct kvm_regs r;
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	guest_load(&g, GUEST_CODE, proc_round);
	guest_long(&g, 0, GUEST_CODE);
	guest_regs(&g, 0, &r);
	r.rbx = HOLE;
	guest_set_regs(&g, 0, &r);
	assert_ok(set_region(g.vm, 1, 0, HOLE, PG, (void *)0x10000));
	if (!by_libc())
		anykvm_fd_closed(-1);	/* numbers are trusted from here on */
	pthread_create(&thread, NULL, run_sandboxed, &g);
	pthread_join(thread, NULL);
	_exit(4);
}

static void sandboxed_vcpu_threads_run_guests(void **state)
{
	pid_t child;
	int status;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();		/* the sanitizer makes calls of its own */
#endif
	needs_guest();
	child = fork();
	if (child == 0)
		sandboxed_child();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* -- 57 --------------------------------------------------------------------------- */

static void *run_blocked(void *arg)
{
	static const int open[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGUSR1 };
	struct guest *g = arg;
	sigset_t mask;
	int ret;

	sigfillset(&mask);
	for (u32 i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		sigdelset(&mask, open[i]);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	ret = guest_run(g, 0);
	return (void *)(long)ret;
}

static void threads_that_block_their_signals_run_guests(void **state)
{
	struct kvm_regs r;
	pthread_t thread;
	struct guest g;
	void *ret;

	needs_guest();
	guest_create(&g, GUEST_IRQCHIP, 1);
	guest_load(&g, GUEST_CODE, proc_ticks);
	guest_load(&g, 0x20000, irq_handler);
	guest_gate(&g, 0x30, 0x20000);
	guest_long(&g, 0, GUEST_CODE);
	guest_regs(&g, 0, &r);
	r.rsi = HOLE;
	guest_set_regs(&g, 0, &r);
	assert_ok(set_region(g.vm, 1, 0, HOLE, PG, (void *)0x10000));
	pthread_create(&thread, NULL, run_blocked, &g);
	pthread_join(thread, &ret);
	assert_int_equal((long)ret, -EFAULT);
	assert_true(*guest_word(&g, 0x40000) >= 10);
	guest_destroy(&g);
}

/* -- 58, 61, 62 --------------------------------------------------------------------- */

static const struct cpuid_list {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[256];
} *supported_list(void)
{
	static struct cpuid_list list;
	int sys = kvm_open(O_RDONLY);

	list.head.nent = 256;
	assert_ok(kvm_ioctl(sys, KVM_GET_SUPPORTED_CPUID, &list));
	close(sys);
	return &list;
}

static struct kvm_cpuid_entry2 supported(u32 function, u32 index)
{
	const struct cpuid_list *list = supported_list();

	for (u32 i = 0; i < list->head.nent; i++) {
		if (list->entry[i].function == function && list->entry[i].index == index)
			return list->entry[i];
	}
	fail_msg("no CPUID leaf %x.%u", function, index);
	return (struct kvm_cpuid_entry2){ 0 };
}

static struct kvm_cpuid_entry2 host(u32 function, u32 index)
{
	struct kvm_cpuid_entry2 e = { .function = function, .index = index };

	__cpuid_count(function, index, e.eax, e.ebx, e.ecx, e.edx);
	return e;
}

static u64 host_xcr0(void)
{
	u32 eax, edx;

	__asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return (u64)edx << 32 | eax;
}

static bool host_has_xsave(void)
{
	return host(1, 0).ecx >> 27 & 1;
}

static void features_are_what_the_host_lets_a_process_use(void **state)
{
	const struct kvm_cpuid_entry2 e = supported(0xd, 0);
	u64 mask = 0;

	if (!host_has_xsave())
		skip();
	assert_int_equal((e.eax | (u64)e.edx << 32) & ~host_xcr0(), 0);
	assert_true((e.eax & 3) == 3);
	/* ARCH_GET_XCOMP_PERM is the host's own. */
	if (syscall(SYS_arch_prctl, 0x1022, &mask) == 0)
		assert_true((mask & 3) == 3);
}

static void the_cpu_names_the_hosts_vendor(void **state)
{
	const struct kvm_cpuid_entry2 e = supported(0, 0), h = host(0, 0);

	assert_int_equal(e.ebx, h.ebx);
	assert_int_equal(e.ecx, h.ecx);
	assert_int_equal(e.edx, h.edx);
	/* Family and model; the stepping may be a hypervisor's. */
	assert_int_equal(supported(1, 0).eax >> 4, host(1, 0).eax >> 4);
}

enum { XSTATE_BV = 512 };

static void component_is_where_the_host_has_it(int vcpu, u32 component)
{
	const u32 offset = host(0xd, component).ebx, size = host(0xd, component).eax;
	struct kvm_xsave *x = calloc(2, sizeof(*x));
	u8 *image = (u8 *)x;

	assert_int_equal(supported(0xd, component).eax, size);
	assert_int_equal(supported(0xd, component).ebx, offset);
	assert_true(offset + size <= sizeof(*x));
	assert_ok(kvm_ioctl(vcpu, KVM_GET_XSAVE, x));
	image[XSTATE_BV] |= 1 << component;
	for (u32 i = 0; i < size; i++)
		image[offset + i] = i + component;
	assert_ok(kvm_ioctl(vcpu, KVM_SET_XSAVE, x));
	memset(x, 0, sizeof(*x));
	assert_ok(kvm_ioctl(vcpu, KVM_GET_XSAVE, x));
	assert_int_equal(image[XSTATE_BV] >> component & 1, 1);
	for (u32 i = 0; i < size; i++)
		assert_int_equal(image[offset + i], (u8)(i + component));
	free(x);
}

static void xsave_images_have_the_hosts_layout(void **state)
{
	enum { YMM = 2, OPMASK = 5, ZMM_16 = 7 };
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	u64 offered = host_has_xsave() ? supported(0xd, 0).eax : 0;

	/* Newer kernels hide what the guest has not got. */
	assert_ok(kvm_ioctl(vcpu, KVM_SET_CPUID2, (void *)supported_list()));
	for (u32 i = YMM; i <= ZMM_16; i++) {
		if (offered >> i & 1 && (i == YMM || i >= OPMASK))
			component_is_where_the_host_has_it(vcpu, i);
	}
	close(vcpu);
	close(vm);
}

/* -- 59 --------------------------------------------------------------------------- */

static void read_only_system_descriptors_do_everything(void **state)
{
	int a = kvm_open(O_RDONLY), b = kvm_open(O_RDWR), vm, vcpu;

	assert_true(a >= 0 && b >= 0 && a != b);
	assert_int_equal(kvm_ioctl_val(a, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
	vm = kvm_ioctl_val(a, KVM_CREATE_VM, 0);
	assert_true(vm >= 0);
	close(a);
	vcpu = new_vcpu(vm, 0);
	assert_int_equal(kvm_ioctl_val(b, KVM_GET_API_VERSION, 0), KVM_API_VERSION);
	close(vcpu);
	close(vm);
	close(b);
}

/* -- 60 --------------------------------------------------------------------------- */

static u32 files_in(const char *path)
{
	DIR *d = opendir(path);
	u32 n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void run_until_killed(int ready)
{
	struct guest g;

	guest_create(&g, GUEST_IRQCHIP | GUEST_PIT, 2);
	guest_set_mp_state(&g, 0, KVM_MP_STATE_HALTED);
	assert_int_equal(write(ready, "", 1), 1);
	for (;;)
		guest_run(&g, 0);
}

static void nothing_is_left_of_a_killed_vmm(void **state)
{
	const u32 shm = files_in("/dev/shm");
	char byte;

	/* Whatever it starts becomes ours when it dies. */
	assert_ok(prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (u32 i = 0; i < 5; i++) {
		int ready[2], status;
		pid_t child;

		assert_ok(pipe(ready));
		child = fork();
		if (child == 0)
			run_until_killed(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		usleep(i * 300);
		assert_ok(kill(child, SIGKILL));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_errno(ECHILD, waitpid(-1, &status, WNOHANG));
		close(ready[0]);
		close(ready[1]);
	}
	assert_soon(files_in("/dev/shm") <= shm);	/* others may have some, too */
	assert_ok(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

/* -- 63 --------------------------------------------------------------------------- */

static void aps_wait_in_kvm_run_for_their_sipi(void **state)
{
	struct kvm_sregs s;
	struct runner r[2];
	struct kvm_regs regs;
	struct guest g;

	needs_guest();
	guest_create(&g, GUEST_IRQCHIP, 2);
	guest_load(&g, GUEST_CODE, irq_bsp);
	guest_load(&g, 0x12000, irq_ap);
	guest_long(&g, 0, GUEST_CODE);
	guest_regs(&g, 0, &regs);
	regs.rsi = 0x12;
	guest_set_regs(&g, 0, &regs);
	runner_start(&r[1], &g, 1);
	usleep(2000);
	assert_false(r[1].done);
	runner_start(&r[0], &g, 0);
	assert_soon(*guest_word(&g, 0x40020) == 0x1234);
	assert_int_equal(runner_stop(&r[0]), -EINTR);
	assert_int_equal(runner_stop(&r[1]), -EINTR);
	assert_ok(kvm_ioctl(g.vcpu[1], KVM_GET_SREGS, &s));
	assert_int_equal(s.cs.selector, 0x1200);
	guest_destroy(&g);
}
