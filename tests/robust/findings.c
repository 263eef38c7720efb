/* SPDX-License-Identifier: MIT */
/* What the fuzzer has found, one by one; some need the sanitizers to fail. */
#include "api/vm.h"
#include "run/guest.h"

/* The sum of pointer and header size wrapped before it was looked at. */
static void msrs_at_the_end_of_the_address_space(void **state)
{
	int vcpu = new_vcpu(new_vm(), 0);

	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_GET_MSRS, (void *)-1ul));
	assert_errno(EFAULT, kvm_ioctl(vcpu, KVM_SET_MSRS, (void *)-1ul));
}

static bool stop_probing;

static void *probe_main(void *unused)
{
	while (!READ_ONCE(stop_probing)) {
		for (int fd = 3; fd < 16; fd++)
			anykvm_owns(fd);
	}
	return NULL;
}

/*
 * A descriptor that another thread asks about before it is handed out was
 * taken for one of another process, and then its VM stayed for ever.
 */
static void descriptors_probed_while_they_are_made(void **state)
{
	pthread_t probe;

	if (on_kernel())
		skip();
	new_vm();		/* the engine runs; its end is not waited for */
	close(new_vm());
	assert_int_equal(pthread_create(&probe, NULL, probe_main, NULL), 0);
	for (int i = 0; i < 1000; i++) {
		int vm = new_vm(), vcpu = new_vcpu(vm, 0);

		close(vcpu);
		close(vm);
	}
	WRITE_ONCE(stop_probing, true);
	pthread_join(probe, NULL);
	assert_soon(vm_count() <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(msrs_at_the_end_of_the_address_space),
		cmocka_unit_test(descriptors_probed_while_they_are_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
