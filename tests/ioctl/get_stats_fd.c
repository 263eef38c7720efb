/* SPDX-License-Identifier: MIT */
/* KVM_GET_STATS_FD (api.rst 4.133), of a VM and of a vCPU. */
#include "ioctl_test.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NAME_SIZE	48

enum {
	COUNTER = KVM_STATS_TYPE_CUMULATIVE, INSTANT = KVM_STATS_TYPE_INSTANT,
	PEAK = KVM_STATS_TYPE_PEAK, BOOLEAN = INSTANT | KVM_STATS_UNIT_BOOLEAN,
	NSEC = KVM_STATS_UNIT_SECONDS, HIST = KVM_STATS_TYPE_LOG_HIST | NSEC,
};

struct statistic {
	const char *name;
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
};

/* What Linux 6.1 has on x86, in its order. */
static const struct statistic vm_stats[] = {
	{ "remote_tlb_flush", COUNTER, 0, 1 },
	{ "remote_tlb_flush_requests", COUNTER, 0, 1 },
	{ "mmu_shadow_zapped", COUNTER, 0, 1 },
	{ "mmu_pte_write", COUNTER, 0, 1 },
	{ "mmu_pde_zapped", COUNTER, 0, 1 },
	{ "mmu_flooded", COUNTER, 0, 1 },
	{ "mmu_recycled", COUNTER, 0, 1 },
	{ "mmu_cache_miss", COUNTER, 0, 1 },
	{ "mmu_unsync", INSTANT, 0, 1 },
	{ "pages_4k", INSTANT, 0, 1 },
	{ "pages_2m", INSTANT, 0, 1 },
	{ "pages_1g", INSTANT, 0, 1 },
	{ "nx_lpage_splits", INSTANT, 0, 1 },
	{ "max_mmu_rmap_size", PEAK, 0, 1 },
	{ "max_mmu_page_hash_collisions", PEAK, 0, 1 },
};

static const struct statistic vcpu_stats[] = {
	{ "halt_successful_poll", COUNTER, 0, 1 },
	{ "halt_attempted_poll", COUNTER, 0, 1 },
	{ "halt_poll_invalid", COUNTER, 0, 1 },
	{ "halt_wakeup", COUNTER, 0, 1 },
	{ "halt_poll_success_ns", NSEC, -9, 1 },
	{ "halt_poll_fail_ns", NSEC, -9, 1 },
	{ "halt_wait_ns", NSEC, -9, 1 },
	{ "halt_poll_success_hist", HIST, -9, 32 },
	{ "halt_poll_fail_hist", HIST, -9, 32 },
	{ "halt_wait_hist", HIST, -9, 32 },
	{ "blocking", BOOLEAN, 0, 1 },
	{ "pf_taken", COUNTER, 0, 1 },
	{ "pf_fixed", COUNTER, 0, 1 },
	{ "pf_emulate", COUNTER, 0, 1 },
	{ "pf_spurious", COUNTER, 0, 1 },
	{ "pf_fast", COUNTER, 0, 1 },
	{ "pf_mmio_spte_created", COUNTER, 0, 1 },
	{ "pf_guest", COUNTER, 0, 1 },
	{ "tlb_flush", COUNTER, 0, 1 },
	{ "invlpg", COUNTER, 0, 1 },
	{ "exits", COUNTER, 0, 1 },
	{ "io_exits", COUNTER, 0, 1 },
	{ "mmio_exits", COUNTER, 0, 1 },
	{ "signal_exits", COUNTER, 0, 1 },
	{ "irq_window_exits", COUNTER, 0, 1 },
	{ "nmi_window_exits", COUNTER, 0, 1 },
	{ "l1d_flush", COUNTER, 0, 1 },
	{ "halt_exits", COUNTER, 0, 1 },
	{ "request_irq_exits", COUNTER, 0, 1 },
	{ "irq_exits", COUNTER, 0, 1 },
	{ "host_state_reload", COUNTER, 0, 1 },
	{ "fpu_reload", COUNTER, 0, 1 },
	{ "insn_emulation", COUNTER, 0, 1 },
	{ "insn_emulation_fail", COUNTER, 0, 1 },
	{ "hypercalls", COUNTER, 0, 1 },
	{ "irq_injections", COUNTER, 0, 1 },
	{ "nmi_injections", COUNTER, 0, 1 },
	{ "req_event", COUNTER, 0, 1 },
	{ "nested_run", COUNTER, 0, 1 },
	{ "directed_yield_attempted", COUNTER, 0, 1 },
	{ "directed_yield_successful", COUNTER, 0, 1 },
	{ "preemption_reported", COUNTER, 0, 1 },
	{ "preemption_other", COUNTER, 0, 1 },
	{ "guest_mode", BOOLEAN, 0, 1 },
	{ "notify_window_exits", COUNTER, 0, 1 },
	{ "anykvm_translations", COUNTER, 0, 1 },
	{ "anykvm_invalidations", COUNTER, 0, 1 },
	{ "anykvm_code_exits", COUNTER, 0, 1 },
	{ "anykvm_jump_misses", COUNTER, 0, 1 },
	{ "anykvm_punts", COUNTER, 0, 1 },
	{ "anykvm_slow_accesses", COUNTER, 0, 1 },
	{ "anykvm_lockstep_checks", COUNTER, 0, 1 },
	{ "anykvm_tlb_misses", COUNTER, 0, 1 },
	{ "anykvm_unseen_writes", COUNTER, 0, 1 },
};

static int open_stats(int fd)
{
	int stats = kvm_ioctl_val(fd, KVM_GET_STATS_FD, 0);

	assert_true(stats >= 0);
	return stats;
}

static struct kvm_stats_header header_of(int stats)
{
	struct kvm_stats_header h;

	assert_int_equal(pread(stats, &h, sizeof(h), 0), sizeof(h));
	return h;
}

/* A kernel may have more of them, and in another order (Linux 6.1 has these). */
static void assert_stats(int stats, const struct statistic *want, uint32_t nr, const char *id)
{
	struct kvm_stats_header h = header_of(stats);
	const size_t size = sizeof(struct kvm_stats_desc) + NAME_SIZE;
	char text[NAME_SIZE], buf[64 + NAME_SIZE];
	struct kvm_stats_desc *d = (void *)buf;
	uint32_t found = 0, offset = 0;

	while (on_kernel() && !strncmp(want[nr - 1].name, "anykvm_", 7))
		nr--;

	assert_int_equal(h.flags, 0);
	assert_int_equal(h.name_size, NAME_SIZE);
	assert_int_equal(h.id_offset, sizeof(h));
	assert_int_equal(h.desc_offset, sizeof(h) + NAME_SIZE);
	assert_int_equal(h.data_offset, h.desc_offset + h.num_desc * size);
	assert_int_equal(pread(stats, text, NAME_SIZE, h.id_offset), NAME_SIZE);
	assert_string_equal(text, id);
	if (!on_kernel())
		assert_int_equal(h.num_desc, nr);
	for (uint32_t i = 0; i < h.num_desc; i++) {
		assert_int_equal(pread(stats, buf, size, h.desc_offset + i * size), size);
		offset += d->size * 8;
		assert_int_equal(d->bucket_size, 0);
		for (uint32_t k = 0; k < nr; k++) {
			if (strcmp(want[k].name, d->name))
				continue;
			found++;
			assert_int_equal(d->flags, want[k].flags);
			assert_int_equal(d->exponent, want[k].exponent);
			assert_int_equal(d->size, want[k].size);
			if (!on_kernel()) {
				assert_int_equal(k, i);
				assert_int_equal(d->offset, offset - d->size * 8);
			}
		}
	}
	assert_int_equal(found, nr);
	/* The data is the end of the file. */
	assert_int_equal(pread(stats, buf, 8, h.data_offset + offset - 3), 3);
	assert_int_equal(pread(stats, buf, 8, h.data_offset + offset), 0);
	assert_int_equal(pread(stats, buf, 8, 1 << 20), 0);
}

static void capability(void **state)
{
	int sys = kvm_open(O_RDWR), vm = new_vm();

	assert_int_equal(kvm_ioctl_val(sys, KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD), 1);
	assert_int_equal(kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD), 1);
	close(sys);
	close(vm);
}

static void not_of_the_system(void **state)
{
	int sys = kvm_open(O_RDWR);

	assert_errno(EINVAL, kvm_ioctl_val(sys, KVM_GET_STATS_FD, 0));
	close(sys);
}

static void of_a_vm(void **state)
{
	int vm = new_vm(), stats = open_stats(vm);
	char id[NAME_SIZE];

	snprintf(id, sizeof(id), "kvm-%d", (int)syscall(SYS_gettid));
	assert_stats(stats, vm_stats, sizeof(vm_stats) / sizeof(vm_stats[0]), id);
	close(stats);
	close(vm);
}

static void of_a_vcpu(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 7), stats = open_stats(vcpu);
	char id[NAME_SIZE];

	snprintf(id, sizeof(id), "kvm-%d/vcpu-7", (int)syscall(SYS_gettid));
	assert_stats(stats, vcpu_stats, sizeof(vcpu_stats) / sizeof(vcpu_stats[0]), id);
	close(stats);
	close(vcpu);
	close(vm);
}

static void assert_descriptor(int fd, const char *name)
{
	char path[40], link[100] = "";
	int stats = kvm_ioctl_val(fd, KVM_GET_STATS_FD, 0x1234);	/* ignored */

	assert_true(stats >= 0);
	assert_int_equal(fcntl(stats, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(stats, F_GETFD), FD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", stats);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_non_null(strstr(link, name));
	assert_errno(EBADF, write(stats, "x", 1));
	assert_ptr_equal(kvm_mmap(PG, MAP_PRIVATE, stats, 0), MAP_FAILED);
	assert_int_equal(errno, ENODEV);
	assert_errno(ENOTTY, kvm_ioctl_val(stats, KVM_GET_STATS_FD, 0));
	assert_errno(ENOTTY, kvm_ioctl_val(stats, KVM_CHECK_EXTENSION, 0));
	close(stats);
}

static void descriptor(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 5);

	assert_descriptor(vm, "anon_inode:kvm-vm-stats");
	assert_descriptor(vcpu, "anon_inode:kvm-vcpu-stats:5");
	assert_descriptor(vcpu, "anon_inode:kvm-vcpu-stats:5");
	close(vcpu);
	close(vm);
}

static void each_has_its_own_position(void **state)
{
	int vm = new_vm(), a = open_stats(vm), b = open_stats(vm);
	struct kvm_stats_header h;
	char id[NAME_SIZE];

	assert_int_equal(read(a, &h, sizeof(h)), sizeof(h));
	assert_int_equal(h.name_size, NAME_SIZE);
	assert_int_equal(read(a, id, NAME_SIZE), NAME_SIZE);
	assert_memory_equal(id, "kvm-", 4);
	memset(&h, 0, sizeof(h));
	assert_int_equal(read(b, &h, sizeof(h)), sizeof(h));
	assert_int_equal(h.name_size, NAME_SIZE);
	close(a);
	/* The other one goes on. */
	assert_int_equal(read(b, id, NAME_SIZE), NAME_SIZE);
	assert_memory_equal(id, "kvm-", 4);
	close(b);
	close(vm);
}

static void outlives_the_others(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0);
	int of_vm = open_stats(vm), of_vcpu = open_stats(vcpu);
	char id[NAME_SIZE];

	snprintf(id, sizeof(id), "kvm-%d/vcpu-0", (int)syscall(SYS_gettid));
	close(vm);
	close(vcpu);
	usleep(20000);
	assert_stats(of_vcpu, vcpu_stats, sizeof(vcpu_stats) / sizeof(vcpu_stats[0]), id);
	assert_int_equal(header_of(of_vm).name_size, NAME_SIZE);
	assert_errno(ENOTTY, kvm_ioctl_val(of_vm, KVM_GET_STATS_FD, 0));
	close(of_vm);
	assert_int_equal(header_of(of_vcpu).name_size, NAME_SIZE);
	close(of_vcpu);
}

/*
 * The lowest free number.  What earlier tests have closed the worker gives back
 * a moment later: for a while nothing below it may become free.
 */
static int lowest_free(void)
{
	int lowest = -1, n;

	for (int quiet = 0; quiet < 30; quiet++) {
		n = dup(0);
		close(n);
		if (n != lowest)
			quiet = 0;
		lowest = n;
		usleep(1000);
	}
	return lowest;
}

/* No number is free, neither for the first descriptor nor for the second. */
static void table_is_full(void **state)
{
	int vm = new_vm(), first = -1;
	struct rlimit old, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 2; i++) {
		none = old;
		none.rlim_cur = lowest_free();
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		errno = 0;
		assert_int_equal(kvm_ioctl_val(vm, KVM_GET_STATS_FD, 0), -1);
		assert_int_equal(errno, EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (!i)
			first = open_stats(vm);
	}
	assert_int_equal(header_of(first).name_size, NAME_SIZE);
	close(first);
	close(vm);
}

static void a_child_may_read(void **state)
{
	int vm = new_vm(), stats = open_stats(vm), status;
	struct kvm_stats_header h;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		bool ok = pread(stats, &h, sizeof(h), 0) == sizeof(h) &&
			  h.name_size == NAME_SIZE &&
			  kvm_ioctl_val(stats, KVM_GET_STATS_FD, 0) < 0 && errno == ENOTTY &&
			  kvm_ioctl_val(vm, KVM_GET_STATS_FD, 0) < 0 && errno == EIO;

		_exit(!ok);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(stats);
	close(vm);
}

/* Slots change under all vCPUs: one number that needs no guest. */
static void numbers_are_of_now(void **state)
{
	int vm = new_vm(), stats = open_stats(vm), again;
	struct kvm_stats_header h = header_of(stats);
	void *ram = guest_ram(8 * PG);
	uint64_t pages = 77;
	const off_t at = h.data_offset + 9 * 8;

	assert_int_equal(pread(stats, &pages, 8, at), 8);
	assert_int_equal(pages, 0);
	assert_ok(set_region(vm, 0, 0, 0, 8 * PG, ram));
	if (!on_kernel()) {	/* it counts what the guest has touched */
		assert_int_equal(pread(stats, &pages, 8, at), 8);
		assert_int_equal(pages, 8);
		again = open_stats(vm);
		assert_ok(set_region(vm, 0, 0, 0, 0, NULL));
		assert_int_equal(pread(again, &pages, 8, at), 8);
		assert_int_equal(pages, 0);
		close(again);
	}
	close(stats);
	close(vm);
	munmap(ram, 8 * PG);
}

static void *cancelled_meanwhile(void *arg)
{
	pthread_cancel(pthread_self());
	open_stats(*(int *)arg);
	pthread_testcancel();
	return NULL;
}

/* ioctl() is no cancellation point (pthreads(7)): what it holds, it gives back. */
static void thread_is_cancelled_later(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 0), fds[] = { vm, vcpu };
	pthread_t thread;
	void *result;

	for (uint32_t i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, cancelled_meanwhile, &fds[i]);
		pthread_join(thread, &result);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		close(open_stats(fds[i]));
	}
	close(vcpu);
	close(vm);
}

IOCTL_TESTS(get_stats_fd,
	    cmocka_unit_test(capability),
	    cmocka_unit_test(not_of_the_system),
	    cmocka_unit_test(of_a_vm),
	    cmocka_unit_test(of_a_vcpu),
	    cmocka_unit_test(descriptor),
	    cmocka_unit_test(each_has_its_own_position),
	    cmocka_unit_test(outlives_the_others),
	    cmocka_unit_test(table_is_full),
	    cmocka_unit_test(thread_is_cancelled_later),
	    cmocka_unit_test(a_child_may_read),
	    cmocka_unit_test(numbers_are_of_now))
