/* SPDX-License-Identifier: MIT */
/*
 * By raw system calls: under another anykvm, open() would find that one's
 * device.
 */
#include "doctor/real.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KVM_FILE	"/dev/kvm"
#define KVM_IN_SYSFS	"/sys/devices/virtual/misc/kvm"
#define CPUID_VMX	(1u << 5)	/* 1: ECX */
#define CPUID_SVM	(1u << 2)	/* 80000001H: ECX */
#define MAX_GROUPS	256

static bool has_group(gid_t gid)
{
	gid_t groups[MAX_GROUPS];
	int n = getgroups(MAX_GROUPS, groups);

	if (getegid() == gid)
		return true;
	while (n-- > 0)
		if (groups[n] == gid)
			return true;
	return false;
}

/* True if the user would have the group after the next login. */
static bool promised_group(gid_t gid)
{
	const struct passwd *pw = getpwuid(geteuid());
	gid_t groups[MAX_GROUPS];
	int n = MAX_GROUPS;

	if (!pw || getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
		return false;
	while (n-- > 0)
		if (groups[n] == gid)
			return true;
	return false;
}

static void read_file(struct real_facts *facts)
{
	struct stat st;

	if (syscall(SYS_newfstatat, AT_FDCWD, KVM_FILE, &st, 0))
		return;
	facts->present = true;
	facts->mode = st.st_mode;
	facts->gid = st.st_gid;
	facts->gid_given = has_group(st.st_gid);
	facts->gid_promised = promised_group(st.st_gid);
}

static void ask_device(struct real_facts *facts)
{
	long fd = syscall(SYS_openat, AT_FDCWD, KVM_FILE, O_RDWR | O_CLOEXEC);
	long vm;

	facts->open_error = fd < 0 ? errno : 0;
	if (fd < 0)
		return;
	facts->api_version = syscall(SYS_ioctl, fd, KVM_GET_API_VERSION, 0);
	if (facts->api_version == KVM_API_VERSION) {
		vm = syscall(SYS_ioctl, fd, KVM_CREATE_VM, 0);
		facts->vm_error = vm < 0 ? errno : 0;
		if (vm >= 0)
			syscall(SYS_close, vm);
	}
	syscall(SYS_close, fd);
}

void real_read(struct real_facts *facts)
{
	unsigned int a, b, c, d;

	memset(facts, 0, sizeof(*facts));
	facts->in_sysfs = !access(KVM_IN_SYSFS, F_OK);
	if (__get_cpuid(1, &a, &b, &c, &d))
		facts->vmx = c & CPUID_VMX;
	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		facts->svm = c & CPUID_SVM;
	read_file(facts);
	ask_device(facts);
}

static enum check judge_absent(const struct real_facts *facts, struct finding *f)
{
	const char *module = facts->svm ? "kvm_amd" : "kvm_intel";

	if (facts->in_sysfs)
		finding_set(f, CHECK_KVM_NOT_PASSED, NULL, NULL);
	else if (!facts->vmx && !facts->svm)
		finding_set(f, CHECK_KVM_NO_CPU, NULL, NULL);
	else
		finding_set(f, CHECK_KVM_NO_MODULE, module, module);
	return f->check;
}

static const char *group_name(gid_t gid, char name[64])
{
	const struct group *gr = getgrgid(gid);

	if (gr)
		snprintf(name, 64, "%s", gr->gr_name);
	else
		snprintf(name, 64, "%u", gid);
	return name;
}

static const char *user_name(void)
{
	static char number[16];
	const struct passwd *pw = getpwuid(geteuid());

	if (pw)
		return pw->pw_name;
	snprintf(number, sizeof(number), "%u", geteuid());
	return number;
}

/* "kvm, and alice is in alice, sudo" */
static void list_groups(char *out, size_t size, const char *wanted)
{
	gid_t groups[MAX_GROUPS];
	int n = getgroups(MAX_GROUPS, groups), len;
	char name[64];

	len = snprintf(out, size, "%s, and %s is in %s", wanted, user_name(),
		       group_name(getegid(), name));
	for (int i = 0; i < n && len < (int)size - 80; i++)
		if (groups[i] != getegid())
			len += snprintf(out + len, size - len, ", %s",
					group_name(groups[i], name));
}

static enum check judge_permission(const struct real_facts *facts,
				   struct finding *f)
{
	const mode_t group_rw = S_IRGRP | S_IWGRP;
	char wanted[64], list[400], mode[32], command[160];

	group_name(facts->gid, wanted);
	if ((facts->mode & group_rw) != group_rw || facts->gid == 0 ||
	    facts->gid_given) {
		snprintf(mode, sizeof(mode), "mode %04o, group %.12s",
			 facts->mode & 07777, wanted);
		finding_set(f, CHECK_KVM_MODE, mode, NULL);
	} else if (facts->gid_promised) {
		finding_set(f, CHECK_KVM_RELOGIN, wanted, wanted);
	} else {
		list_groups(list, sizeof(list), wanted);
		snprintf(command, sizeof(command), "%s %s", wanted, user_name());
		finding_set(f, CHECK_KVM_GROUP, list, command);
	}
	return f->check;
}

static enum check judge_open(const struct real_facts *facts, struct finding *f)
{
	const char *why = strerror(facts->open_error);
	enum check check = CHECK_KVM_OPEN;

	switch (facts->open_error) {
	case EACCES:
		return judge_permission(facts, f);
	case EPERM:
		check = CHECK_KVM_DENIED;
		break;
	case ENODEV: case ENXIO:
		check = CHECK_KVM_DEAD;
		break;
	case EISDIR:
		check = CHECK_KVM_NOT_DEVICE;
		why = "a directory";
		break;
	}
	finding_set(f, check, why, NULL);
	return check;
}

enum check real_judge(const struct real_facts *facts, struct finding *f)
{
	char number[16];

	if (!facts->present)
		return judge_absent(facts, f);
	if (facts->open_error)
		return judge_open(facts, f);
	if (facts->api_version < 0) {
		finding_set(f, CHECK_KVM_NOT_DEVICE, S_ISCHR(facts->mode) ?
			    "another device" : "a file", NULL);
		return f->check;
	}
	if (facts->api_version != KVM_API_VERSION) {
		snprintf(number, sizeof(number), "%d", facts->api_version);
		finding_set(f, CHECK_KVM_API, number, NULL);
		return f->check;
	}
	if (facts->vm_error) {
		finding_set(f, facts->vm_error == EBUSY ? CHECK_KVM_BUSY :
			    CHECK_KVM_NO_VM, strerror(facts->vm_error), NULL);
		return f->check;
	}
	return CHECK_OK;
}
