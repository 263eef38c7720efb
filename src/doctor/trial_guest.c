/* SPDX-License-Identifier: MIT */
/*
 * Inside the process of the trial: the guest's VMM.  It uses libc alone, as a
 * program under anykvm does.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "doctor/trial.h"
#include "shim/engine_path.h"

#define GUEST_BASE	0x1000
#define GUEST_PORT	0x10
#define GUEST_ANSWER	42
#define PAGE		4096

/* mov $1000,%cx; 1: dec %cx; jnz 1b; mov $42,%al; out %al,$0x10; hlt */
static const unsigned char guest[] = {
	0xb9, 0xe8, 0x03, 0x49, 0x75, 0xfd, 0xb0, GUEST_ANSWER,
	0xe6, GUEST_PORT, 0xf4,
};

static struct trial t;

/* What is written last is what the parent knows, should we be killed. */
static void tell(void)
{
	if (write(STDOUT_FILENO, &t, sizeof(t)) != sizeof(t))
		_exit(1);
}

static void step(const char *name)
{
	strncpy(t.step, name, sizeof(t.step) - 1);
	tell();
}

static int failed(const char *why)
{
	t.error = errno;
	snprintf(t.why, sizeof(t.why), "%s", why ? why : strerror(errno));
	tell();
	return 1;
}

static int load_engine(const char *preload)
{
	char path[PATH_MAX];
	const char *name = engine_path(preload, path);
	const char *(*version)(void);
	void *handle;

	step("engine");
	/* As the preload object does; it will get this very handle. */
	handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (!handle) {
		const char *why = dlerror();

		errno = !strchr(name, '/') || access(name, F_OK) ? ENOENT : ENOEXEC;
		return failed(errno == ENOENT ? name : why);
	}
	version = dlsym(handle, "anykvm_version");
	if (!version) {
		errno = ENOEXEC;
		return failed("it has no function anykvm_version");
	}
	snprintf(t.library_version, sizeof(t.library_version), "%s", version());
	return 0;
}

static int find_preload(void)
{
	const char *version = dlsym(RTLD_DEFAULT, "anykvm_preload_version");

	step("preload");
	if (!version)
		return failed("it was not loaded");
	snprintf(t.preload_version, sizeof(t.preload_version), "%s", version);
	return 0;
}

static void name_engine(const char *preload)
{
	char path[PATH_MAX];
	void *handle = dlopen(engine_path(preload, path), RTLD_NOW | RTLD_NOLOAD);
	const char *(*engine)(void);
	const char *name;

	if (!handle)
		return;
	engine = dlsym(handle, "anykvm_engine");
	name = engine ? engine() : NULL;
	if (name)
		snprintf(t.engine, sizeof(t.engine), "%s", name);
}

static int read_cpuid(int kvm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[TRIAL_CPUID];
	} list = { .head.nent = TRIAL_CPUID };

	step("KVM_GET_SUPPORTED_CPUID");
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &list))
		return failed(NULL);
	t.nr_cpuid = list.head.nent;
	memcpy(t.cpuid, list.entries, sizeof(t.cpuid));
	return 0;
}

static int make_memory(int vm)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = GUEST_BASE,
		.memory_size = PAGE,
	};
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	step("KVM_SET_USER_MEMORY_REGION");
	if (page == MAP_FAILED)
		return failed(NULL);
	memcpy(page, guest, sizeof(guest));
	region.userspace_addr = (uintptr_t)page;
	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ? failed(NULL) : 0;
}

static int set_registers(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = GUEST_BASE, .rflags = 2 };

	step("KVM_SET_SREGS");
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return failed(NULL);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return failed(NULL);
	return 0;
}

static int run(int vcpu, int size)
{
	struct kvm_run *run;
	char text[64];

	step("mmap of the vCPU");
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return failed(NULL);
	step("KVM_RUN");
	if (ioctl(vcpu, KVM_RUN, 0))
		return failed(NULL);
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT &&
	    ((unsigned char *)run)[run->io.data_offset] == GUEST_ANSWER)
		return 0;
	snprintf(text, sizeof(text), "unexpected exit %u", run->exit_reason);
	return failed(text);
}

static int run_guest(int kvm)
{
	int vm, vcpu;

	step("KVM_CREATE_VM");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return failed(NULL);
	if (make_memory(vm))
		return 1;
	step("KVM_CREATE_VCPU");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return failed(NULL);
	return set_registers(vcpu) || run(vcpu, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
}

int trial_main(int argc, char **argv)
{
	const char *preload = argc > 1 ? argv[1] : "";
	int kvm;

	t.secure = getauxval(AT_SECURE);
	if (find_preload() || load_engine(preload))
		return 1;
	step("open of /dev/kvm");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return failed(NULL);
	name_engine(preload);
	if (read_cpuid(kvm) || run_guest(kvm))
		return 1;
	t.done = true;
	step("done");
	return 0;
}
