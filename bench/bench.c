/* SPDX-License-Identifier: MIT */
/*
 * Microbenchmarks of the engine through its public API, without a VMM.
 * Each figure is the median of several runs, with the spread.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "anykvm.h"

enum { RUNS = 7, MEM_SIZE = 4 << 20, CODE = 0x10000, STACK = 0x80000, PT = 0x1000,
       GDT = 0x8000, IDT = 0x9000 };

static int sys_fd;
static const char *only;	/* benchmarks whose name has this in it */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int xioctl(int fd, unsigned long req, const void *arg, const char *what)
{
	int r = anykvm_ioctl(fd, req, (void *)arg);

	if (r < 0)
		die(what);
	return r;
}
#define X(fd, req, arg) xioctl(fd, req, (const void *)(arg), #req)

/*
 * CPU time of the process, not wall time: what is measured does not sleep, and
 * other load of the machine is no part of it.
 */
static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* As the shim does: descriptors are trusted from the first such hint on. */
static void close_hinted(int fd)
{
	anykvm_fd_closed(fd);
	close(fd);
}

/* -- A VM in long mode ---------------------------------------------------- */

struct guest {
	int vm, vcpu, irqchip;
	unsigned char *mem;
	struct kvm_run *run;
};

static void set_segment(struct kvm_segment *s, unsigned type, unsigned sel)
{
	memset(s, 0, sizeof(*s));
	s->limit = 0xffffffff;
	s->selector = sel;
	s->type = type;
	s->present = s->s = s->g = 1;
	s->l = type & 8 ? 1 : 0;
	s->db = !s->l;
}

static void long_mode(struct guest *g)
{
	unsigned long *pml4 = (void *)(g->mem + PT), *pdpt = pml4 + 512, *pd;
	struct kvm_sregs s;

	/* Identity map of 4 GiB with 2 MiB pages. */
	pml4[0] = (PT + 0x1000) | 7;
	pd = pdpt + 512;
	for (int i = 0; i < 4; i++)
		pdpt[i] = (PT + 0x2000 + i * 0x1000) | 7;
	for (unsigned long i = 0; i < 2048; i++)
		pd[i] = i << 21 | 0x87;

	X(g->vcpu, KVM_GET_SREGS, &s);
	set_segment(&s.cs, 0xb, 8);
	set_segment(&s.ds, 3, 16);
	s.es = s.ss = s.fs = s.gs = s.ds;
	s.cr3 = PT;
	s.cr4 = 0x620;			/* PAE, OSFXSR, OSXMMEXCPT */
	s.cr0 = 0x80000013;
	s.efer = 0x500;
	X(g->vcpu, KVM_SET_SREGS, &s);
}

static void offer_all(struct guest *g)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid;

	cpuid.head.nent = 256;
	X(sys_fd, KVM_GET_SUPPORTED_CPUID, &cpuid);
	X(g->vcpu, KVM_SET_CPUID2, &cpuid);
}

static void guest_open(struct guest *g)
{
	struct kvm_userspace_memory_region r = { .memory_size = MEM_SIZE };
	long size = X(sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	g->vm = X(sys_fd, KVM_CREATE_VM, 0);
	if (g->irqchip)
		X(g->vm, KVM_CREATE_IRQCHIP, 0);
	g->vcpu = X(g->vm, KVM_CREATE_VCPU, 0);
	g->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.userspace_addr = (unsigned long)g->mem;
	X(g->vm, KVM_SET_USER_MEMORY_REGION, &r);
	g->run = anykvm_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (g->run == MAP_FAILED || g->mem == MAP_FAILED)
		die("mmap");
	offer_all(g);
	long_mode(g);
}

static void guest_close(struct guest *g)
{
	munmap(g->run, X(sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0));
	munmap(g->mem, MEM_SIZE);
	close_hinted(g->vcpu);
	close_hinted(g->vm);
}

/* Runs the code to its HLT; the seconds it took, and the exits before it. */
static double guest_run(struct guest *g, const void *code, const void *end,
			unsigned long iterations, long *exits)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rcx = iterations, .rflags = 2 };
	double t;

	memcpy(g->mem + CODE, code, (const char *)end - (const char *)code);
	X(g->vcpu, KVM_SET_REGS, &regs);
	*exits = 0;
	t = now();
	for (;;) {
		X(g->vcpu, KVM_RUN, 0);
		if (g->run->exit_reason == KVM_EXIT_HLT)
			return now() - t;
		if (g->run->exit_reason != KVM_EXIT_IO && g->run->exit_reason != KVM_EXIT_MMIO) {
			fprintf(stderr, "unexpected exit %u, suberror %u\n",
				g->run->exit_reason, g->run->internal.suberror);
			exit(1);
		}
		++*exits;
	}
}

/* -- Figures ---------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *name, double *v, const char *unit)
{
	qsort(v, RUNS, sizeof(*v), by_value);
	printf("%-34s %9.1f %-5s (%.1f to %.1f)\n", name, v[RUNS / 2], unit, v[0], v[RUNS - 1]);
	fflush(stdout);
}

static int chosen(const char *name)
{
	return !only || strstr(name, only);
}

static void bench_create(void)
{
	const char *name = "create + destroy VM and vCPU";
	enum { N = 100 };
	double v[RUNS];

	if (!chosen(name))
		return;
	for (int i = 0; i < RUNS; i++) {
		double t = now();

		for (int j = 0; j < N; j++) {
			int vm = X(sys_fd, KVM_CREATE_VM, 0);
			int vcpu = X(vm, KVM_CREATE_VCPU, 0);

			close_hinted(vcpu);
			close_hinted(vm);
		}
		v[i] = (now() - t) / N * 1e6;
	}
	report(name, v, "us");
}

#define CODE_OF(name) extern const char bench_##name[], bench_##name##_end[];
CODE_OF(pio) CODE_OF(mmio) CODE_OF(alu) CODE_OF(memory) CODE_OF(call) CODE_OF(branch) CODE_OF(sse)
CODE_OF(avx) CODE_OF(x87)

static void bench_exit(struct guest *g, const char *name, const void *code, const void *end)
{
	double v[RUNS];
	long exits;

	if (!chosen(name))
		return;
	for (int i = 0; i < RUNS; i++) {
		double t = guest_run(g, code, end, 200000, &exits);

		v[i] = t / exits * 1e9;
	}
	report(name, v, "ns");
}

static void bench_mips(struct guest *g, const char *name, const void *code,
		       const void *end, double insns)
{
	const unsigned long n = 2000000;
	double v[RUNS];
	long exits;

	if (!chosen(name))
		return;
	for (int i = 0; i < RUNS; i++)
		v[i] = n * insns / guest_run(g, code, end, n, &exits) / 1e6;
	report(name, v, "MIPS");
}

/* -- Memory: what a VM with one vCPU adds before it runs ---------------------- */

static double resident_kib(void)
{
	long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
		die("/proc/self/statm");
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024.0);
}

static void bench_memory_use(void)
{
	const char *name = "resident memory per VM and vCPU";
	enum { N = 64 };
	int vm[N], vcpu[N];
	double before, after;

	if (!chosen(name))
		return;
	before = resident_kib();
	for (int i = 0; i < N; i++) {
		vm[i] = X(sys_fd, KVM_CREATE_VM, 0);
		vcpu[i] = X(vm[i], KVM_CREATE_VCPU, 0);
	}
	after = resident_kib();
	for (int i = 0; i < N; i++) {
		close_hinted(vcpu[i]);
		close_hinted(vm[i]);
	}
	printf("%-34s %9.1f KiB\n", name, (after - before) / N);
}

/* -- Waking a vCPU that sleeps in HLT, from another thread ---------------------- */

extern const char bench_kick[], bench_kick_end[], bench_kick_nmi[];

static double wall(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

struct kicked {
	struct guest *g;
	double exit_time;
	int exits;		/* atomic; published after exit_time */
	int stop;
};

static void *kicked_main(void *arg)
{
	struct kicked *k = arg;

	while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
		X(k->g->vcpu, KVM_RUN, 0);
		k->exit_time = wall();
		__atomic_add_fetch(&k->exits, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* NMIs arrive through the gate of vector 2. */
static void interrupt_tables(struct guest *g)
{
	unsigned long *gdt = (void *)(g->mem + GDT), *gate = (void *)(g->mem + IDT + 2 * 16);
	unsigned long handler = CODE + (bench_kick_nmi - bench_kick);
	struct kvm_sregs s;

	gdt[1] = 0x00af9b000000ffff;	/* 64-bit code */
	gdt[2] = 0x00cf93000000ffff;	/* data */
	gate[0] = (handler & 0xffff) | 8ul << 16 | 0x8eul << 40 | (handler >> 16 & 0xffff) << 48;
	gate[1] = 0;
	X(g->vcpu, KVM_GET_SREGS, &s);
	s.gdt.base = GDT;
	s.gdt.limit = 3 * 8 - 1;
	s.idt.base = IDT;
	s.idt.limit = 16 * 32 - 1;
	X(g->vcpu, KVM_SET_SREGS, &s);
}

static double kick_once(struct kicked *k)
{
	struct kvm_msi nmi = { .address_lo = 0xfee00000, .data = 4 << 8 };
	int exits = __atomic_load_n(&k->exits, __ATOMIC_ACQUIRE);
	double t;

	usleep(300);			/* it has gone to sleep */
	t = wall();
	X(k->g->vm, KVM_SIGNAL_MSI, &nmi);
	while (__atomic_load_n(&k->exits, __ATOMIC_ACQUIRE) == exits)
		;
	return k->exit_time - t;
}

static void bench_kick_latency(void)
{
	const char *name = "interrupt to exit, vCPU in HLT";
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	enum { N = 50 };
	struct kicked k = { 0 };
	struct guest g = { .irqchip = 1 };
	double v[RUNS];
	pthread_t thread;

	if (!chosen(name))
		return;
	guest_open(&g);
	memcpy(g.mem + CODE, bench_kick, bench_kick_end - bench_kick);
	interrupt_tables(&g);
	X(g.vcpu, KVM_SET_REGS, &regs);
	k.g = &g;
	pthread_create(&thread, NULL, kicked_main, &k);
	for (int i = 0; i < RUNS; i++) {
		double one[N];

		for (int j = 0; j < N; j++)
			one[j] = kick_once(&k);
		qsort(one, N, sizeof(*one), by_value);
		v[i] = one[N / 2] * 1e6;
	}
	__atomic_store_n(&k.stop, 1, __ATOMIC_RELEASE);
	kick_once(&k);
	pthread_join(thread, NULL);
	guest_close(&g);
	report(name, v, "us");
}

int main(int argc, char **argv)
{
	struct guest g = { 0 };

	only = argc > 1 ? argv[1] : NULL;
	sys_fd = anykvm_open(O_RDWR | O_CLOEXEC);
	if (sys_fd < 0)
		die("anykvm_open");
	printf("%s, median of %d runs (lowest to highest)\n", anykvm_version(), RUNS);
	guest_open(&g);
	bench_exit(&g, "PIO exit, descriptors confirmed", bench_pio, bench_pio_end);
	guest_close(&g);
	bench_create();
	guest_open(&g);
	bench_exit(&g, "PIO exit round trip", bench_pio, bench_pio_end);
	bench_exit(&g, "MMIO exit round trip", bench_mmio, bench_mmio_end);
	bench_mips(&g, "registers", bench_alu, bench_alu_end, 8);
	bench_mips(&g, "memory", bench_memory, bench_memory_end, 8);
	bench_mips(&g, "calls", bench_call, bench_call_end, 10);
	bench_mips(&g, "branches", bench_branch, bench_branch_end, 9);
	bench_mips(&g, "SSE2", bench_sse, bench_sse_end, 6);
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		bench_mips(&g, "AVX2, FMA", bench_avx, bench_avx_end, 6);
	bench_mips(&g, "x87", bench_x87, bench_x87_end, 6);
	guest_close(&g);
	bench_memory_use();
	bench_kick_latency();
	return 0;
}
