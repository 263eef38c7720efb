/* SPDX-License-Identifier: MIT */
/* kvmclock (Linux Documentation/virt/kvm/x86/msr.rst; api.rst 4.29, 4.30, 4.70). */
#include "x86/api/clock.h"

#include <errno.h>
#include <linux/kvm_para.h>
#include <string.h>
#include <time.h>

#include "util/guard.h"
#include "x86/hyperv/hyperv.h"
#include "x86/mmu/mmu.h"
#include "x86/xen/xen.h"

#define NSEC_PER_SEC	1000000000ull
#define CLOCK_FLAGS	(KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

static u64 realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* -- Arithmetic -------------------------------------------------------------------------- */

/* mul is a 32-bit fraction of a second's half and more: 31 bits of precision. */
void clock_scale(u64 hz, u32 *mul, s8 *shift)
{
	u64 target = NSEC_PER_SEC;
	s8 s = 0;

	while (hz > target * 2 || hz >> 32) {
		hz >>= 1;
		s--;
	}
	while (hz <= target) {
		if (hz >> 31)
			target >>= 1;
		else
			hz <<= 1;
		s++;
	}
	*shift = s;
	*mul = (target << 32) / hz;
}

u64 clock_scale_delta(u64 delta, u32 mul, s8 shift)
{
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return (u128)delta * mul >> 32;
}

/* -- The VM's clock ------------------------------------------------------------------------ */

static void clock_set(struct arch_vm *vm, u64 tsc, u64 ns)
{
	vm->clock_base_tsc = tsc;
	vm->clock_base_ns = ns;
}

void clock_vm_create(struct vm *vm)
{
	pthread_mutex_init(&vm->arch->clock_lock, NULL);
	vm->arch->default_tsc_khz = host_tsc_khz();
	clock_set(vm->arch, host_tsc(), 0);
}

void clock_vm_destroy(struct vm *vm)
{
	pthread_mutex_destroy(&vm->arch->clock_lock);
}

static u64 clock_at_locked(const struct arch_vm *vm, u64 tsc)
{
	u64 delta = tsc - vm->clock_base_tsc;
	u32 mul;
	s8 shift;

	/* Another CPU may have moved the base a little past our reading. */
	if ((s64)delta < 0)
		return vm->clock_base_ns;
	clock_scale(host_tsc_hz(), &mul, &shift);
	return vm->clock_base_ns + clock_scale_delta(delta, mul, shift);
}

u64 clock_at(struct vm *vm, u64 tsc)
{
	u64 ns;

	pthread_mutex_lock(&vm->arch->clock_lock);
	ns = clock_at_locked(vm->arch, tsc);
	pthread_mutex_unlock(&vm->arch->clock_lock);
	return ns;
}

u64 clock_wall_ns(struct vm *vm)
{
	return realtime_ns() - clock_at(vm, host_tsc());
}

/* A vCPU that has none waits for SIPI undisturbed. */
void clock_request(struct cpu *c)
{
	gpa_t unused[XEN_TIME_PAGES];

	if (READ_ONCE(c->pvclock->system_time) & KVM_MSR_ENABLED || xen_time_pages(c, unused))
		vcpu_request(c->vcpu, REQ_CLOCK);
}

static void request_all(struct vm *vm)
{
	struct vcpu *v;
	u32 i;

	hv_tsc_page_stale(vm);
	vm_for_each_vcpu(vm, i, v)
		clock_request(v->cpu);
}

/* -- ioctls ---------------------------------------------------------------------------------- */

long vm_get_clock(struct kfile *f, void *arg)
{
	struct kvm_clock_data *d = arg;

	d->realtime = realtime_ns();
	d->host_tsc = host_tsc();
	d->clock = clock_at(f->vm, d->host_tsc);
	if (host_tsc_stable())
		d->flags = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	else
		d->realtime = d->host_tsc = 0;
	return 0;
}

/* With REALTIME the time since the sample was taken is added (api.rst 4.30). */
long vm_set_clock(struct kfile *f, void *arg)
{
	const struct kvm_clock_data *d = arg;
	struct arch_vm *vm = f->vm->arch;
	u64 ns = d->clock;

	if (d->flags & ~(CLOCK_FLAGS | KVM_CLOCK_TSC_STABLE))
		return -EINVAL;
	if (d->flags & KVM_CLOCK_REALTIME) {
		u64 now = realtime_ns();

		if (now > d->realtime)
			ns += now - d->realtime;
	}
	pthread_mutex_lock(&vm->clock_lock);
	clock_set(vm, host_tsc(), ns);
	pthread_mutex_unlock(&vm->clock_lock);
	request_all(f->vm);
	return 0;
}

long vcpu_kvmclock_ctrl(struct kfile *f, void *arg)
{
	struct cpu *c = kfile_cpu(f);

	if (!(c->pvclock->system_time & KVM_MSR_ENABLED))
		return -EINVAL;
	c->pvclock->guest_stopped = true;
	clock_request(c);
	return 0;
}

/* -- The guest's page --------------------------------------------------------------------------- */

void clock_params(const struct cpu *c, struct pvclock_vcpu_time_info *p)
{
	struct arch_vm *vm = cpu_arch_vm(c);
	u64 base;

	pthread_mutex_lock(&vm->clock_lock);
	base = vm->clock_base_tsc;
	p->system_time = vm->clock_base_ns;
	pthread_mutex_unlock(&vm->clock_lock);
	p->tsc_timestamp = c->tsc_offset +
		(c->tsc_ratio == 1ull << 32 ? base : (u64)((u128)base * c->tsc_ratio >> 32));
	clock_scale(tsc_guest_hz(c), &p->tsc_to_system_mul, &p->tsc_shift);
	p->flags = host_tsc_stable() ? PVCLOCK_TSC_STABLE_BIT : 0;
}

/*
 * A reader on the same page retries while the version is odd, so the fields
 * are written between two versions.
 */
static bool write_versions(struct cpu *c, gpa_t gpa, const struct pvclock_vcpu_time_info *p)
{
	const u32 body = offsetof(struct pvclock_vcpu_time_info, tsc_timestamp);
	u32 version;

	if (!gpa_read(c, gpa, &version, sizeof(version)))
		return false;
	version = (version | 1) + (version & 1 ? 2 : 0);
	if (!gpa_write(c, gpa, &version, sizeof(version)))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	gpa_write(c, gpa + body, (u8 *)p + body, sizeof(*p) - body);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	version++;
	return gpa_write(c, gpa, &version, sizeof(version));
}

/*
 * Flags of @keep that the page has stay set.  A page whose memory has gone is
 * passed over, as in KVM: KVM_RUN goes on.
 */
static bool write_page(struct cpu *c, gpa_t gpa, struct pvclock_vcpu_time_info p, u8 keep)
{
	struct guard g;
	u8 flags = 0;
	bool done;

	if (guard_enter(&g))
		return false;
	gpa_read(c, gpa + offsetof(struct pvclock_vcpu_time_info, flags), &flags, sizeof(flags));
	p.flags |= flags & keep;
	done = write_versions(c, gpa, &p);
	guard_leave(&g);
	return done;
}

/* GUEST_STOPPED is the guest's to clear: it stays set until then (api.rst 4.70). */
static void write_kvmclock(struct cpu *c, struct pvclock_vcpu_time_info p)
{
	if (c->pvclock->guest_stopped)
		p.flags |= PVCLOCK_GUEST_STOPPED;
	if (write_page(c, c->pvclock->system_time & ~1ull, p, PVCLOCK_GUEST_STOPPED))
		c->pvclock->guest_stopped = false;
}

void clock_update(struct cpu *c)
{
	struct pvclock_vcpu_time_info p = { 0 };
	gpa_t xen[XEN_TIME_PAGES];
	u32 n = xen_time_pages(c, xen);

	if (!n && !(c->pvclock->system_time & KVM_MSR_ENABLED))
		return;
	clock_params(c, &p);
	if (c->pvclock->system_time & KVM_MSR_ENABLED)
		write_kvmclock(c, p);
	while (n--)
		write_page(c, xen[n], p, 0);
}

/* -- MSRs ------------------------------------------------------------------------------------------ */

enum msr_result clock_write_system_time(struct cpu *c, struct msr_access *a)
{
	WRITE_ONCE(c->pvclock->system_time, a->data);
	if (a->host)
		clock_request(c);
	else
		clock_update(c);
	return MSR_DONE;
}

struct wall { gpa_t gpa; struct pvclock_wall_clock w; };

static void write_wall(struct cpu *c, void *ctx)
{
	struct wall *x = ctx;
	u32 version;

	if (!gpa_read(c, x->gpa, &version, sizeof(version)))
		return;
	x->w.version = version | 1;
	if (!gpa_write(c, x->gpa, &x->w, sizeof(x->w)))
		return;
	x->w.version++;
	gpa_write(c, x->gpa, &x->w.version, sizeof(x->w.version));
}

/* The time of day when the kvmclock was 0.  Written once, now. */
enum msr_result clock_write_wall_clock(struct cpu *c, struct msr_access *a)
{
	struct vm *vm = c->vcpu->vm;
	u64 ns = clock_wall_ns(vm);
	struct wall x = {
		.gpa = a->data, .w.sec = ns / NSEC_PER_SEC, .w.nsec = ns % NSEC_PER_SEC,
	};

	WRITE_ONCE(vm->arch->wall_clock_gpa, a->data);
	if (!a->data)
		return MSR_DONE;
	if (a->host)
		vcpu_with_memory(c, write_wall, &x);
	else
		write_wall(c, &x);
	return MSR_DONE;
}
