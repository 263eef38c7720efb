/* SPDX-License-Identifier: MIT */
/* vm_sync_vcpus(): no vCPU uses a slot that has been taken away. */
#include "fake_arch.h"
#include "kvm_api.h"

#include <pthread.h>

#include "api/memslot.h"

static int vcpu;
static bool stop;
static u64 flushes, reads;

/*
 * A guest with a TLB of one entry: it reads page 0 through the cached host
 * address, and looks at its requests after every few reads.
 */
static int guest_reads(struct vcpu *v, bool immediate_exit)
{
	volatile char *cached = NULL;

	vcpu_enter_guest(v);
	while (!READ_ONCE(stop)) {
		if (vcpu_take_requests(v, REQ_SYNC)) {
			cached = NULL;
			flushes++;
			vcpu_ack_sync(v);
		}
		for (int i = 0; i < 8; i++) {
			if (!cached) {
				const struct memslot *s =
					memslot_find(__atomic_load_n(&v->vm->slots[0],
								     __ATOMIC_ACQUIRE), 0);

				cached = s ? (char *)memslot_hva(s, 0) : NULL;
			}
			if (cached && cached[0] != 'A')
				return -EIO;	/* dead memory */
			reads++;
		}
		if (vcpu_take_requests(v, REQ_UNHALT)) {
			vcpu_leave_guest(v);
			for (volatile int spin = 500; spin; spin--)
				;
			if (vcpu_enter_guest(v))
				cached = NULL;
		}
	}
	vcpu_leave_guest(v);
	return 0;
}

static void *run_thread(void *unused)
{
	return (void *)(long)kvm_ioctl_val(vcpu, KVM_RUN, 0);
}

static void slots_change_under_a_running_vcpu(void **state)
{
	int vm = new_vm();
	char *ram = guest_ram(2 * PG);
	pthread_t t;
	void *ret;

	ram[0] = ram[PG] = 'A';
	assert_ok(set_region(vm, 0, 0, 0, PG, ram));
	vcpu = new_vcpu(vm, 0);
	fake_guest = guest_reads;
	pthread_create(&t, NULL, run_thread, NULL);
	assert_soon(READ_ONCE(reads));
	for (int i = 0; i < 500; i++) {
		char *mine = ram + (i & 1) * PG;

		mine[0] = 'A';
		assert_ok(set_region(vm, 0, 0, 0, 0, NULL));
		/* Gone on return: the vCPU may not see this. */
		ram[0] = ram[PG] = 'B';
		mine[0] = 'A';
		assert_ok(set_region(vm, 0, 0, 0, PG, mine));
		/* A neighbour comes and goes, so that places in the array move. */
		assert_ok(set_region(vm, 1, 0, 16 * PG, i & 1 ? 0 : PG, ram));
		if (i % 5 == 0)
			vcpu_request(fake_vm->vcpus[0], REQ_UNHALT);
	}
	WRITE_ONCE(stop, true);
	pthread_join(t, &ret);
	assert_int_equal((long)ret, 0);
	print_message("%lu flushes, %lu reads\n", flushes, reads);
	assert_true(flushes > 100 && reads > 0);
	close(vcpu);
	close(vm);
	munmap(ram, 2 * PG);
}

/* A sleeping vCPU does not hold up a change, and flushes when it wakes. */
static bool flushed_after_sleep;

static int guest_sleeps(struct vcpu *v, bool immediate_exit)
{
	vcpu_enter_guest(v);
	do {
		vcpu_block(v);
		if (vcpu_take_requests(v, REQ_SYNC)) {
			flushed_after_sleep = true;
			vcpu_ack_sync(v);
		}
	} while (!vcpu_take_requests(v, REQ_UNHALT));
	vcpu_leave_guest(v);
	return 0;
}

static void sleeping_vcpu(void **state)
{
	int vm = new_vm();
	char *ram = guest_ram(PG);
	pthread_t t;

	vcpu = new_vcpu(vm, 0);
	fake_guest = guest_sleeps;
	pthread_create(&t, NULL, run_thread, NULL);
	assert_soon(READ_ONCE(fake_vm->vcpus[0]->sleeping));
	assert_ok(set_region(vm, 0, 0, 0, PG, ram));
	assert_ok(set_region(vm, 0, 0, 0, 0, ram));
	assert_false(flushed_after_sleep);
	vcpu_request(fake_vm->vcpus[0], REQ_UNHALT);
	pthread_join(t, NULL);
	assert_true(flushed_after_sleep);
	close(vcpu);
	close(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_change_under_a_running_vcpu),
		cmocka_unit_test(sleeping_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
