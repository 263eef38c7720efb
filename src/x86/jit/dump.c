/* SPDX-License-Identifier: MIT */
/* Translations in print, the counts of punts, and names for perf. */
#include "x86/jit/debug.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <Zydis/Zydis.h>

#include "trace/env.h"
#include "trace/trace.h"

u32 jit_debug;

static FILE *dump_file, *perf_file;
static u64 punts[ZYDIS_MNEMONIC_MAX_VALUE + 1][NR_PUNT_REASONS];

FILE *jit_dump_file(void)
{
	return dump_file ?: stderr;
}

/* -- Switches -------------------------------------------------------------------- */

static void read_dump(const char *list)
{
	if (env_has_word(list, "guest"))
		jit_debug |= JIT_DUMP_GUEST;
	if (env_has_word(list, "host"))
		jit_debug |= JIT_DUMP_HOST;
	if (env_has_word(list, "punts"))
		jit_debug |= JIT_DUMP_PUNTS;
}

static FILE *open_line_buffered(const char *path)
{
	FILE *f = fopen(path, "ae");

	if (f)
		setvbuf(f, NULL, _IOLBF, 0);
	else
		log_warn("cannot write %s", path);
	return f;
}

static void open_perf(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	perf_file = open_line_buffered(path);
	if (perf_file)
		jit_debug |= JIT_PERF;
}

static void print_punts(void);

void jit_debug_init(bool lockstep)
{
	const char *dump = getenv("ANYKVM_JIT_DUMP"), *path = getenv("ANYKVM_JIT_FILE");

	if (dump)
		read_dump(dump);
	if (path && *path)
		dump_file = open_line_buffered(path);
	if (env_is_on("ANYKVM_JIT_PERF"))
		open_perf();
	if (lockstep)
		jit_debug |= JIT_LOCKSTEP | JIT_VERIFY;
	if (env_is_on("ANYKVM_JIT_VERIFY"))
		jit_debug |= JIT_VERIFY;
	if (jit_debug & JIT_DUMP_PUNTS)
		atexit(print_punts);
}

/* -- Code -------------------------------------------------------------------------- */

static void disassemble(FILE *f, ZydisMachineMode mode, const u8 *code, size_t n, u64 at)
{
	ZydisDisassembledInstruction d;

	for (size_t off = 0; off < n; off += d.info.length) {
		if (!ZYAN_SUCCESS(ZydisDisassembleIntel(mode, at + off, code + off,
							n - off, &d))) {
			fprintf(f, "  %016lx  ?\n", (unsigned long)(at + off));
			return;
		}
		fprintf(f, "  %016lx  %s\n", (unsigned long)(at + off), d.text);
	}
}

void jit_dump_guest(FILE *f, const struct tu *tu)
{
	ZydisMachineMode mode = tu->code_size == 8 ? ZYDIS_MACHINE_MODE_LONG_64 :
						     ZYDIS_MACHINE_MODE_LONG_COMPAT_32;

	fprintf(f, "guest %016lx, %u instructions\n", (unsigned long)tu->rip, tu->count);
	disassemble(f, mode, tu_bytes(tu), tu->len, tu->rip);
}

void jit_dump_host(FILE *f, const struct jit *j, const struct tu *tu)
{
	const u8 *code = exec_of(j, tu->entry);

	fprintf(f, "host %016lx of guest %016lx, %u bytes\n", (unsigned long)code,
		(unsigned long)tu->rip, tu->size);
	disassemble(f, ZYDIS_MACHINE_MODE_LONG_64, code, tu->size, (u64)code);
}

static void reject(const struct jit *j, const struct tu *tu, const u8 *at, const char *why)
{
	FILE *f = jit_dump_file();

	fprintf(f, "anykvm: wrong translation: %s at %016lx\n", why,
		(unsigned long)exec_of(j, at));
	jit_dump_guest(f, tu);
	jit_dump_host(f, j, tu);
	fflush(f);
	abort();
}

void jit_debug_translated(const struct jit *j, const struct tu *tu)
{
	const char *why;
	const u8 *at;

	if (jit_debug & JIT_DUMP_GUEST)
		jit_dump_guest(jit_dump_file(), tu);
	if (jit_debug & JIT_DUMP_HOST)
		jit_dump_host(jit_dump_file(), j, tu);
	if (jit_debug & JIT_PERF)
		fprintf(perf_file, "%lx %x guest_%016lx\n",
			(unsigned long)exec_of(j, tu->entry), tu->size,
			(unsigned long)tu->rip);
	if ((jit_debug & JIT_VERIFY) && !jit_verify(j->vcpu->cpu, tu, &at, &why))
		reject(j, tu, at, why);
}

/* -- Punts ----------------------------------------------------------------------- */

void jit_debug_punt(const struct insn *in, enum punt_reason why)
{
	__atomic_fetch_add(&punts[in->mnemonic][why], 1, __ATOMIC_RELAXED);
}

static u64 all_punts(u16 mnemonic)
{
	return punts[mnemonic][PUNT_NONE] + punts[mnemonic][PUNT_SLOW] +
	       punts[mnemonic][PUNT_MMIO];
}

static int most_first(const void *a, const void *b)
{
	u64 x = all_punts(*(const u16 *)a), y = all_punts(*(const u16 *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

static void print_punts(void)
{
	static u16 order[ARRAY_SIZE(punts)];
	FILE *f = jit_dump_file();
	u32 n = 0;

	for (u32 m = 0; m < ARRAY_SIZE(punts); m++)
		if (all_punts(m))
			order[n++] = m;
	qsort(order, n, sizeof(order[0]), most_first);
	fprintf(f, "%-16s %14s %14s %14s\n", "punted", "no translation", "TLB miss", "MMIO");
	for (u32 i = 0; i < n; i++)
		fprintf(f, "%-16s %14lu %14lu %14lu\n", ZydisMnemonicGetString(order[i]),
			(unsigned long)punts[order[i]][PUNT_NONE],
			(unsigned long)punts[order[i]][PUNT_SLOW],
			(unsigned long)punts[order[i]][PUNT_MMIO]);
	fflush(f);
}
