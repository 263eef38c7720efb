/* SPDX-License-Identifier: MIT */
#define SEMANTICS "descriptors.def"
#include "semantics.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "child.h"

/* -- 5 ------------------------------------------------------------------------- */

static u8 *map_page(int vcpu, u32 page, int flags)
{
	u8 *p = kvm_mmap(PG, flags, vcpu, page * PG);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void each_page_alone(int vcpu, u8 *whole)
{
	for (u32 i = 0; i < 3; i++) {
		u8 *shared = map_page(vcpu, i, MAP_SHARED);
		u8 *private = map_page(vcpu, i, MAP_PRIVATE);

		whole[i * PG + 8] = i + 1;
		assert_int_equal(shared[8], i + 1);
		assert_int_equal(private[8], i + 1);
		private[8] = 99;
		assert_int_equal(shared[8], i + 1);
		shared[8] = 0;
		assert_int_equal(whole[i * PG + 8], 0);
		assert_int_equal(private[8], 99);
		munmap(shared, PG);
		munmap(private, PG);
	}
}

static void ring_is_the_vms(int a, int b)
{
	u8 *ring_a = map_page(a, 2, MAP_SHARED), *pages_b = kvm_mmap(2 * PG, MAP_SHARED, b, PG);
	u8 *run_a = map_page(a, 0, MAP_SHARED), *run_b = map_page(b, 0, MAP_SHARED);

	assert_ptr_not_equal(pages_b, MAP_FAILED);
	ring_a[0] = 5;
	assert_int_equal(pages_b[PG], 5);
	pages_b[PG] = 0;
	assert_int_equal(ring_a[0], 0);
	run_a[0] = 1;
	assert_int_equal(run_b[0], 0);
	run_a[0] = 0;
	munmap(ring_a, PG);
	munmap(pages_b, 2 * PG);
	munmap(run_a, PG);
	munmap(run_b, PG);
}

static void elsewhere_is_nothing(int vcpu)
{
	static const u32 pages[] = { 3, 4, 63, 64, 65, 1000 };
	u8 *longer = kvm_mmap(5 * PG, MAP_SHARED, vcpu, 0);

	for (u32 i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		void *p = map_page(vcpu, pages[i], MAP_SHARED);

		assert_int_equal(signal_of_touching(p), SIGBUS);
		munmap(p, PG);
	}
	assert_ptr_not_equal(longer, MAP_FAILED);
	assert_int_equal(signal_of_touching(longer + 2 * PG), 0);
	assert_int_equal(signal_of_touching(longer + 3 * PG), SIGBUS);
	munmap(longer, 5 * PG);
}

/* The dirty ring's pages, once there are any, are shared and no code. */
static void dirty_ring_pages(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { PG } };
	int vm = new_vm(), vcpu;
	void *p;

	if (kvm_ioctl_val(vm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) > 0) {
		assert_ok(kvm_ioctl(vm, KVM_ENABLE_CAP, &cap));
		vcpu = new_vcpu(vm, 0);
		assert_ptr_equal(kvm_mmap(PG, MAP_PRIVATE, vcpu, 64 * PG), MAP_FAILED);
		assert_int_equal(errno, EINVAL);
		assert_ptr_equal(kvm_mmap_prot(PG, PROT_READ | PROT_EXEC, MAP_SHARED, vcpu,
					       64 * PG), MAP_FAILED);
		/* Linux 6.16 lets no anonymous inode be executed, whatever the page. */
		assert_true(errno == EINVAL || (on_kernel() && errno == EPERM));
		p = map_page(vcpu, 64, MAP_SHARED);
		assert_int_equal(signal_of_touching(p), 0);
		munmap(p, PG);
		close(vcpu);
	}
	close(vm);
}

static void vcpu_pages_can_be_mapped_in_any_piece(void **state)
{
	int vm = new_vm(), a = new_vcpu(vm, 0), b = new_vcpu(vm, 1);
	struct kvm_run *run = map_run(a);

	each_page_alone(a, (u8 *)run);
	ring_is_the_vms(a, b);
	elsewhere_is_nothing(a);
	munmap(run, 3 * PG);
	close(a);
	close(b);
	close(vm);
	dirty_ring_pages();
}

/* -- 6, 7 ------------------------------------------------------------------------- */

static void assert_name(int fd, const char *name)
{
	char path[40], link[64] = "", memfd[80];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	/* Without the preload object they are seen to be memfds. */
	snprintf(memfd, sizeof(memfd), "/memfd:%s (deleted)", name);
	assert_string_equal(link, by_libc() ? name : memfd);
}

static void assert_made(int fd, int mode, const char *name)
{
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, mode);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_name(fd, name);
}

static void assert_stats_made(int fd, const char *name)
{
	if (fd >= 0)
		assert_made(fd, O_RDONLY, name);
	close(fd);
}

static void dev_kvm_is_a_device(void)
{
	int sys = kvm_open(O_RDWR);
	struct stat st;

	if (by_libc()) {
		assert_ok(fstat(sys, &st));
		assert_true(S_ISCHR(st.st_mode));
		assert_int_equal(st.st_rdev, makedev(10, 232));
		assert_name(sys, "/dev/kvm");
	}
	assert_int_equal(fcntl(sys, F_GETFD), 0);
	close(sys);
}

static void descriptors_have_names_and_flags(void **state)
{
	int vm = new_vm(), vcpu = new_vcpu(vm, 11);

	assert_made(vm, O_RDWR, "anon_inode:kvm-vm");
	assert_made(vcpu, O_RDWR, "anon_inode:kvm-vcpu:11");
	assert_stats_made(stats_fd(vm, vm), "anon_inode:kvm-vm-stats");
	assert_stats_made(stats_fd(vm, vcpu), "anon_inode:kvm-vcpu-stats:11");
	close(vcpu);
	close(vm);
	dev_kvm_is_a_device();
}

static void assert_polls(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLIN | POLLOUT);
	assert_errno(EPERM, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	close(ep);
}

/* Without the preload object they are memfds with nothing to read. */
static void assert_nothing_there(int fd)
{
	char buf[8] = "";

	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	assert_errno(EPERM, write(fd, buf, sizeof(buf)));
	assert_errno(EPERM, ftruncate(fd, 1 << 20));
}

static void assert_no_bytes(int fd)
{
	char buf[8] = "";

	assert_errno(EINVAL, read(fd, buf, sizeof(buf)));
	assert_errno(EINVAL, read(fd, buf, 0));
	assert_errno(EINVAL, write(fd, buf, sizeof(buf)));
	assert_errno(EINVAL, write(fd, buf, 0));
	assert_int_equal(lseek(fd, 4, SEEK_SET), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	assert_errno(EINVAL, read(fd, buf, sizeof(buf)));
	assert_errno(EINVAL, ftruncate(fd, 0));
	assert_errno(EINVAL, ftruncate(fd, 1 << 20));
}

/* Those of statistics are: they can be read up to their end. */
static void statistics_are_bytes(int vm)
{
	int stats = stats_fd(vm, vm);
	ssize_t n, total = 0;
	char buf[512];

	if (stats < 0)
		return;
	while ((n = read(stats, buf, sizeof(buf))) > 0)
		total += n;
	assert_int_equal(n, 0);
	assert_true(total > (ssize_t)sizeof(struct kvm_stats_header));
	assert_errno(EBADF, write(stats, buf, 1));
	close(stats);
}

static void descriptors_are_not_files_of_bytes(void **state)
{
	int fds[] = { kvm_open(O_RDWR), new_vm(), -1 };

	fds[2] = new_vcpu(fds[1], 0);
	for (int i = 0; i < 3; i++) {
		assert_polls(fds[i]);
		if (by_libc())
			assert_no_bytes(fds[i]);
		else
			assert_nothing_there(fds[i]);
		if (i == 2)
			break;
		assert_ptr_equal(kvm_mmap(PG, MAP_SHARED, fds[i], 0), MAP_FAILED);
		assert_int_equal(errno, ENODEV);
	}
	statistics_are_bytes(fds[1]);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
