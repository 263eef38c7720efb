/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "misuse.h"

MISUSE(RUN_UNMAPPED)
{
	struct vmm v;

	vmm_start(&v, bad ? VMM_NO_MAP : 0);
	assert_true(vmm_run(&v, 0) >= 0);
}

MISUSE(MMAP_SHORT)
{
	struct vmm v;

	vmm_start(&v, VMM_NO_MAP);
	assert_ptr_not_equal(kvm_mmap(bad ? PG : 3 * PG, MAP_SHARED, v.vcpu[0], 0), MAP_FAILED);
}

MISUSE(MMAP_UNASKED)
{
	int sys = kvm_open(O_RDWR), vm;

	assert_int_equal(kvm_ioctl_val(sys, KVM_GET_API_VERSION, 0), 12);
	if (!bad)
		assert_int_equal(kvm_ioctl_val(sys, KVM_GET_VCPU_MMAP_SIZE, 0), 3 * PG);
	vm = kvm_ioctl_val(sys, KVM_CREATE_VM, 0);
	map_run(new_vcpu(vm, 0));
}

/* RIP may be set once immediate_exit has completed the instruction. */
MISUSE(IO_UNFINISHED)
{
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
	if (!bad) {
		v.run[0]->immediate_exit = 1;
		assert_int_equal(vmm_run(&v, 0), -EINTR);
		v.run[0]->immediate_exit = 0;
	}
	vmm_reset(&v, 0);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
}

static void jump(struct vmm *v, u64 rip)
{
	struct kvm_regs r = { .rip = rip, .rflags = 2 };

	assert_ok(kvm_ioctl(v->vcpu[0], KVM_SET_REGS, &r));
}

MISUSE(FAILURE_IGNORED)
{
	struct vmm v;

	vmm_start(&v, 0);
	/* jmp 0xffff:0x10, where there is no memory. */
	VMM_CODE(&v, 0xea, 0x10, 0, 0xff, 0xff);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_INTERNAL_ERROR);
	if (!bad)
		jump(&v, 0x20);
	vmm_run(&v, 0);		/* the #UD that KVM has left pending, or the same again */
}

MISUSE(SHUTDOWN_IGNORED)
{
	struct vmm v;

	vmm_start(&v, 0);
	/* lidt at 0, where the limit is 0; int3 */
	VMM_CODE(&v, 0x0f, 0x01, 0x1e, 0, 0, 0xcc);
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_SHUTDOWN);
	if (!bad)
		vmm_reset(&v, 0);
	vmm_run(&v, 0);
}

MISUSE(IMMEDIATE_EXIT_LEFT)
{
	struct vmm v;

	vmm_start(&v, 0);
	v.run[0]->immediate_exit = 1;
	for (int i = 0; i < 200; i++) {
		int ret = vmm_run(&v, 0);

		assert_true(ret == -EINTR || ret == KVM_EXIT_IO);
		if (!bad)
			v.run[0]->immediate_exit = i & 1;
	}
}

/* -- Signals ------------------------------------------------------------------------- */

static void block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void open_all_signals(struct vmm *v)
{
	struct {
		struct kvm_signal_mask head;
		u8 mask[8];
	} none = { .head.len = 8 };

	assert_ok(kvm_ioctl(v->vcpu[0], KVM_SET_SIGNAL_MASK, &none));
}

MISUSE(RUN_SPINS)
{
	const struct timespec now = { 0 };
	struct vmm v;
	sigset_t set;

	vmm_start(&v, 0);
	vmm_kicks(v.run[0], 0);
	block(&set);
	open_all_signals(&v);
	pthread_kill(pthread_self(), SIGUSR1);
	/* On a busy host some last long, which speaks for the VMM. */
	for (int i = 0; i < (bad ? 30000 : 3000); i++) {
		int ret = vmm_run(&v, 0);

		assert_int_equal(ret, bad || !i ? -EINTR : KVM_EXIT_IO);
		if (!bad)
			sigtimedwait(&set, NULL, &now);
	}
}

static bool begun;

static void *run_halted(void *arg)
{
	struct vmm *v = arg;

	__atomic_store_n(&begun, true, __ATOMIC_RELEASE);
	while (vmm_run(v, 0) != -EINTR)
		;
	v->run[0]->immediate_exit = 0;
	return NULL;
}

static pthread_t start_halted(struct vmm *v)
{
	pthread_t thread;

	vmm_start(v, VMM_IRQCHIP);
	VMM_CODE(v, 0xf4, 0xeb, 0xfd);
	vmm_kicks(v->run[0], 1);
	assert_int_equal(pthread_create(&thread, NULL, run_halted, v), 0);
	while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE))
		usleep(1000);
	usleep(50000);		/* it halts in the first few of them */
	return thread;
}

MISUSE(KICK_RACE)
{
	pthread_t thread;
	struct vmm v;

	thread = start_halted(&v);
	if (bad)
		vmm_kicks(v.run[0], 0);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
}

static void *kick_later(void *arg)
{
	usleep(400000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

MISUSE(RUN_WAITED)
{
	pthread_t thread, kicker;
	struct kvm_regs r;
	struct vmm v;

	thread = start_halted(&v);
	assert_int_equal(pthread_create(&kicker, NULL, kick_later, &thread), 0);
	if (!bad)
		pthread_join(thread, NULL);
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_GET_REGS, &r));
	if (bad)
		pthread_join(thread, NULL);
	pthread_join(kicker, NULL);
}

static void *run_once(void *arg)
{
	assert_int_equal(vmm_run(arg, 0), KVM_EXIT_IO);
	return NULL;
}

static void *run_often(void *arg)
{
	for (int i = 0; i < 40; i++)
		run_once(arg);
	return NULL;
}

MISUSE(RUN_WANDERS)
{
	struct vmm v;

	vmm_start(&v, 0);
	for (int i = 0; bad && i < 40; i++)
		vmm_in_thread(&v, run_once);
	if (!bad)
		vmm_in_thread(&v, run_often);
}

MISUSE(SIGNAL_MASK_LENGTH)
{
	struct {
		struct kvm_signal_mask head;
		u8 mask[128];
	} mask = { .head.len = bad ? sizeof(sigset_t) : 8 };
	struct vmm v;

	vmm_start(&v, 0);
	assert_int_equal(kvm_ioctl(v.vcpu[0], KVM_SET_SIGNAL_MASK, &mask), bad ? -1 : 0);
}

MISUSE(DEBUG_DISABLED)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_SINGLESTEP };
	struct vmm v;

	vmm_start(&v, 0);
	if (!bad)
		dbg.control |= KVM_GUESTDBG_ENABLE;
	assert_ok(kvm_ioctl(v.vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	assert_int_equal(vmm_run(&v, 0), KVM_EXIT_IO);
	assert_int_equal(vmm_run(&v, 0), bad ? KVM_EXIT_IO : KVM_EXIT_DEBUG);
}
