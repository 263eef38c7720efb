/* SPDX-License-Identifier: MIT */
/* What the generic half costs without an architecture: part of "make bench". */
#include "fake_arch.h"
#include "kvm_api.h"

#include <pthread.h>

#define NR_VMS	300
#define NR_RUNS	2000000

static void create_and_destroy(void **state)
{
	int sys = kvm_open(O_RDWR);
	u64 create = 0, destroy = 0, start, t;

	for (int i = 0; i < NR_VMS; i++) {
		int vm, vcpu;

		start = now_ns();
		vm = kvm_ioctl_val(sys, KVM_CREATE_VM, 0);
		vcpu = kvm_ioctl_val(vm, KVM_CREATE_VCPU, 0);
		t = now_ns();
		create += t - start;
		close(vcpu);
		close(vm);
		destroy += now_ns() - t;
	}
	start = now_ns();
	assert_soon(vm_count() == 0);
	print_message("VM + vCPU: create %.1f us, close %.1f us, all gone %.1f us later\n",
		      create / 1e3 / NR_VMS, destroy / 1e3 / NR_VMS, (now_ns() - start) / 1e3);
	close(sys);
}

static void run_overhead(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	u64 start;

	anykvm_fd_closed(-1);	/* hints are given: numbers are trusted */
	start = now_ns();
	for (int i = 0; i < NR_RUNS; i++)
		kvm_ioctl_val(vcpu, KVM_RUN, 0);
	print_message("KVM_RUN round trip without a guest: %.1f ns\n",
		      (double)(now_ns() - start) / NR_RUNS);
	close(vcpu);
	close(vm);
}

static void without_hints(void **state)
{
	int vm = new_vm();
	u64 start = now_ns();

	for (int i = 0; i < 100000; i++)
		kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY);
	print_message("KVM_CHECK_EXTENSION, number confirmed by fstat: %.1f ns\n",
		      (now_ns() - start) / 1e5);
	close(vm);
}

static int vcpu_fd;
static u64 woke_at;

static int guest_halts(struct vcpu *v, bool immediate_exit)
{
	vcpu_enter_guest(v);
	vcpu_block(v);
	vcpu_take_requests(v, ~0u);
	vcpu_leave_guest(v);
	woke_at = now_ns();
	return 0;
}

static int guest_spins(struct vcpu *v, bool immediate_exit)
{
	vcpu_enter_guest(v);
	while (!vcpu_take_requests(v, ~0u))
		;
	woke_at = now_ns();
	vcpu_leave_guest(v);
	return 0;
}

static void *run_thread(void *unused)
{
	kvm_ioctl_val(vcpu_fd, KVM_RUN, 0);
	return NULL;
}

static double kick_latency(int (*guest)(struct vcpu *, bool))
{
	u64 total = 0;

	fake_guest = guest;
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		u64 start;

		pthread_create(&t, NULL, run_thread, NULL);
		usleep(300);
		start = now_ns();
		vcpu_request(fake_vm->vcpus[0], REQ_UNHALT);
		pthread_join(t, NULL);
		total += woke_at - start;
	}
	return total / 200e3;
}

static void kicks(void **state)
{
	int vm = new_vm();

	vcpu_fd = new_vcpu(vm, 0);
	print_message("request to a halted vCPU: %.1f us, to a running one: %.2f us\n",
		      kick_latency(guest_halts), kick_latency(guest_spins));
	close(vcpu_fd);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_and_destroy),
		cmocka_unit_test(without_hints),
		cmocka_unit_test(run_overhead),
		cmocka_unit_test(kicks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
