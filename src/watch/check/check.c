/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/env.h"
#include "util/guard.h"
#include "watch/check/report.h"
#include "watch/output.h"

/* What a program that ends with 0 exits with instead, if it is asked to. */
enum { EXIT_FINDINGS = 123 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum level fatal;		/* findings of it, or heavier, change the status */
static bool quiet;
static pid_t own_pid;

static __thread struct {
	/* A signal handler on top of us may make calls: those are not judged. */
	bool inside;
	u32 id;
} self;

static u32 thread_id(void)
{
	if (!self.id)
		self.id = syscall(SYS_gettid);
	return self.id;
}

/* -- What the rules look at ----------------------------------------------------------- */

/* The first word behind the header of a list of @size-byte entries, of entry @n. */
static void read_msr(struct check_call *c)
{
	struct kvm_msrs head;
	struct kvm_msr_entry e;

	if (c->ret < 0 || copy_from_user(&head, c->call->arg, sizeof(head)) ||
	    c->ret + 1 >= (long)head.nmsrs ||
	    copy_from_user(&e, c->call->arg + sizeof(head) + c->ret * sizeof(e), sizeof(e)))
		return;
	c->msr = e.index;
}

static void read_raw(struct check_call *c)
{
	u32 size = 0;

	switch (c->cmd) {
	case (u32)KVM_SET_CPUID:
	case (u32)KVM_SET_CPUID2:
		cpuid_digest(&c->cpuid, c->call->arg, c->cmd == (u32)KVM_SET_CPUID2);
		return;
	case (u32)KVM_SET_MSRS:
		read_msr(c);
		return;
	case (u32)KVM_SET_SIGNAL_MASK:
		size = sizeof(struct kvm_signal_mask);
		break;
	case (u32)KVM_SET_IDENTITY_MAP_ADDR:
		size = sizeof(u64);
		break;
	}
	if (size && !copy_from_user(c->arg.bytes, c->call->arg, size))
		c->size = size;
}

static void read_argument(struct check_call *c)
{
	const struct ioctl_desc *d = c->call->desc;
	u32 size;

	if (!d)
		return;
	if (d->kind == ARG_RAW) {
		read_raw(c);
		return;
	}
	if (d->kind != ARG_IN && d->kind != ARG_OUT && d->kind != ARG_INOUT)
		return;
	size = MIN(d->size, (u32)ARG_BYTES);
	if (!copy_from_user(c->arg.bytes, c->call->arg, size))
		c->size = size;
}

static void check_call_init(struct check_call *c, const struct watch_call *call,
			    const struct kfile *file, int fd, const char *what)
{
	memset(c, 0, offsetof(struct check_call, arg));
	memset(&c->cpuid, 0, sizeof(c->cpuid));
	c->msr = 0;
	c->nr_found = 0;
	c->call = call;
	c->file = file;
	c->fd = fd;
	c->what = what;
	c->vcpu_id = file && file->scope == SCOPE_VCPU && file->vcpu ? (s64)file->vcpu->id : -1;
	c->thread = thread_id();
	if (!call)
		return;
	c->cmd = call->cmd;
	c->ret = call->ret;
	if (call->desc)
		c->what = call->desc->name;
}

/* Until leave() this thread is not cancelled, and its calls are not judged. */
static bool enter(int *cancel)
{
	if (self.inside)
		return false;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel);
	self.inside = true;
	return true;
}

static void leave(struct check_call *c, int cancel)
{
	if (c && unlikely(c->nr_found))
		findings_tell(c);
	self.inside = false;
	pthread_setcancelstate(cancel, NULL);
}

static void look_up(struct check_call *c)
{
	c->vm = state_vm(c->file);
	c->vcpu = state_vcpu(c->vm, c->file);
}

/* -- The watcher ------------------------------------------------------------------------ */

static bool is_run(const struct watch_call *call)
{
	return call->cmd == (u32)KVM_RUN && call->file->vcpu;
}

static void check_before(struct watch_call *call)
{
	struct check_call c;
	int cancel;

	if (!is_run(call) || !enter(&cancel))
		return;
	check_call_init(&c, call, call->file, call->fd, "KVM_RUN");
	c.ret = 0;
	pthread_mutex_lock(&lock);
	look_up(&c);
	if (c.vcpu)
		judge_entry(&c);
	pthread_mutex_unlock(&lock);
	leave(&c, cancel);
}

static void judge(struct check_call *c)
{
	look_up(c);
	judge_system(c);
	judge_fields(c);
	judge_order(c);
	judge_memory(c);
	judge_cpuid(c);
	judge_interrupts(c);
	judge_vcpu(c);
	state_called(c);
}

static void check_after(struct watch_call *call)
{
	struct check_call c;
	int cancel;

	if (!enter(&cancel))
		return;
	check_call_init(&c, call, call->file, call->fd, "an unknown request");
	if (!is_run(call))
		read_argument(&c);
	pthread_mutex_lock(&lock);
	if (!is_run(call)) {
		judge(&c);
	} else {
		look_up(&c);
		judge_system(&c);
		if (c.vcpu)
			judge_exit(&c);
	}
	pthread_mutex_unlock(&lock);
	leave(&c, cancel);
}

static void check_stray(int fd, u32 cmd)
{
	struct check_call c;
	char number[32];
	int cancel;

	if (!enter(&cancel))
		return;
	check_call_init(&c, NULL, NULL, fd, request_name(cmd));
	c.cmd = cmd;
	snprintf(number, sizeof(number), "%d", fd);
	check_found(&c, RULE_BAD_DESCRIPTOR, NULL, "%s", number);
	leave(&c, cancel);
}

static void check_opened(int fd, const struct kfile *f)
{
	int cancel;

	if (!f || !enter(&cancel))
		return;
	pthread_mutex_lock(&lock);
	state_opened(fd, f);
	pthread_mutex_unlock(&lock);
	leave(NULL, cancel);
}

static void check_ended(const struct kfile *f)
{
	int cancel;

	if (!enter(&cancel))
		return;
	pthread_mutex_lock(&lock);
	state_ended(f);
	pthread_mutex_unlock(&lock);
	leave(NULL, cancel);
}

static void check_mapped(int fd, const struct kfile *f, void *map, size_t length,
			 off_t offset, int err)
{
	struct check_call c;
	int cancel;

	if (err || !enter(&cancel))
		return;
	check_call_init(&c, NULL, f, fd, "mmap");
	pthread_mutex_lock(&lock);
	look_up(&c);
	if (c.vcpu)
		judge_mapping(&c, length, offset);
	pthread_mutex_unlock(&lock);
	leave(&c, cancel);
}

/* What the child gets is whole. */
static void before_fork(void)
{
	if (!self.inside)
		pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	if (!self.inside)
		pthread_mutex_unlock(&lock);
}

static void check_forked(void)
{
	pthread_mutex_init(&lock, NULL);
	self.id = 0;
	self.inside = false;
	own_pid = getpid();
	findings_forget();
	state_forked();
}

/* -- At exit ------------------------------------------------------------------------------ */

static bool is_open(int fd, ino_t ino)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_ino == ino;
}

static void judge_rest(struct check_call *c, const struct check_vm *vm)
{
	u32 left = 0, id = 0;

	for (u32 i = 0; i < vm->nr_vcpus; i++) {
		if (!vm->vcpus[i] || vm->vcpus[i]->ended)
			continue;
		id = vm->vcpus[i]->id;
		left++;
	}
	if (left)
		check_found(c, RULE_VM_KEPT, NULL, "a descriptor or mapping of vCPU %u%s", id,
			    left > 1 ? " and others" : "");
}

enum { MAX_ENDS = 8 };

static void judge_ends(bool in_child)
{
	struct check_call ends[MAX_ENDS];
	u32 n = 0;

	/* A thread that was ended elsewhere may have left it locked. */
	if (pthread_mutex_trylock(&lock))
		return;
	for (struct check_vm *vm = check_process.vms; vm && n < MAX_ENDS; vm = vm->next) {
		struct check_call *c = &ends[n];

		check_call_init(c, NULL, NULL, vm->fd, "exit");
		if ((in_child || vm->inherited) && is_open(vm->fd, vm->ino))
			check_found(c, RULE_FORK_KEEP, NULL, "%d", vm->fd);
		else if (!in_child && !vm->inherited && vm->closed)
			judge_rest(c, vm);
		n += c->nr_found != 0;
	}
	pthread_mutex_unlock(&lock);
	while (n)
		findings_tell(&ends[--n]);
}

/* A child that has not made a call has not been told that it is one. */
static bool become_child(void)
{
	pid_t pid = getpid();

	if (pid == own_pid)
		return false;
	check_forked();
	return true;
}

static void at_exit(int status, void *arg)
{
	bool in_child = become_child();
	int cancel;

	if (!enter(&cancel))
		return;
	judge_ends(in_child);
	if (findings_any(LEVEL_WARN) || (!quiet && !in_child))
		findings_summary();
	self.inside = false;
	/* The C library goes on with what is still to be done, then exits with it. */
	if (!(status & 0xff) && fatal && findings_any(fatal))
		exit(EXIT_FINDINGS);
}

static const struct watcher check_watcher = {
	.name = "check",
	.before = check_before,
	.after = check_after,
	.stray = check_stray,
	.opened = check_opened,
	.ended = check_ended,
	.mapped = check_mapped,
	.forked = check_forked,
};

void check_init(void)
{
	const char *value = getenv("ANYKVM_CHECK");

	if (!env_is_on("ANYKVM_CHECK"))
		return;
	if (!strcmp(value, "error"))
		fatal = LEVEL_ERROR;
	else if (!strcmp(value, "warn"))
		fatal = LEVEL_WARN;
	quiet = env_is_on("ANYKVM_QUIET");
	own_pid = getpid();
	report_start(watch_now(), env_is_on("ANYKVM_JSON"));
	output_open();
	place_init();
	pthread_atfork(before_fork, after_fork, after_fork);
	on_exit(at_exit, NULL);
	watch_add(&check_watcher);
}
