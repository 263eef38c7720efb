/* SPDX-License-Identifier: MIT */
/* What is printed of a case. */
#include "silicon.h"

#include <stdio.h>
#include <string.h>

enum { EXC_PF = 14 };

static const char *const gpr_names[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static void print_bytes(const char *name, const u8 *p, u32 n)
{
	printf("%s", name);
	while (n--)
		printf("%02x", p[n]);
}

static void print_insn(const struct sequence *s, u32 i, const u8 *bytes, u32 n)
{
	ZydisFormatter formatter;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	u64 at = sequence_address(s, i);
	char text[128] = "?";

	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder_of(s->code), bytes, n, &zi, ops)))
		ZydisFormatterFormatInstruction(&formatter, &zi, ops, zi.operand_count_visible,
						text, sizeof(text), at, NULL);
	printf("  %08llx ", (long long)at);
	for (u32 j = 0; j < MAX_LEN; j++)
		printf(j < n ? " %02x" : "   ", bytes[j]);
	printf("  %s\n", text);
	if (s->insn[i].slot_at) {
		printf("           [%llx]: ", (long long)s->insn[i].slot_at);
		print_bytes("", s->insn[i].slot, s->insn[i].slot_len);
		printf("\n");
	}
}

static void print_state(const struct state *s, enum code code)
{
	const u8 *fx = s->fpu.fx;

	for (u32 i = 0; i < (code == CODE64 ? 16 : 8); i++)
		printf("  %-3s %016llx%s", gpr_names[i], (long long)s->gpr[i],
		       i % 4 == 3 ? "\n" : "");
	printf("  es %04x cs %04x ss %04x ds %04x fs %04x at %llx gs %04x at %llx\n", s->sel[ES],
	       s->sel[CS], s->sel[SS], s->sel[DS], s->sel[FS], (long long)s->fs_base, s->sel[GS],
	       (long long)s->gs_base);
	printf("  flags %llx, MXCSR %x, FCW %04x, FSW %04x, FTW %02x\n", (long long)s->flags,
	       *(u32 *)(fx + FPU_MXCSR), *(u16 *)fx, *(u16 *)(fx + 2), fx[4]);
}

static void print_vectors(const struct fpu *f)
{
	for (u32 i = 0; i < 8; i++) {
		printf("  st%u ", i);
		print_bytes("", f->fx + FPU_ST + 16 * i, 10);
	}
	printf("\n");
	for (u32 i = 0; i < 16; i++) {
		printf("  ymm%-2u ", i);
		print_bytes("", f->ymm_high[i], 16);
		print_bytes("_", f->fx + FPU_XMM + 16 * i, 16);
		printf(i & 1 ? "\n" : "");
	}
}

void print_sequence(const struct sequence *s)
{
	static u8 code[CODE_PAGES * PAGE];
	u32 n = sequence_layout(s, code), at = 0;

	printf("%u-bit code at CPL %u:\n", code_bits[s->code], s->user ? 3 : 0);
	for (u32 i = 0; i < s->nr && at < n; at += s->insn[i++].len)
		print_insn(s, i, code + s->at + at, s->insn[i].len);
	printf("from:\n");
	print_state(&s->start, s->code);
	print_vectors(&s->start.fpu);
}

static void print_end(const char *name, const struct sequence *s, const struct outcome *o)
{
	printf("%s: vector %u%s, error %x, cr2 %llx, at %llx\n", name, o->vector,
	       o->single_step ? " (step)" : "", o->error,
	       o->vector == EXC_PF ? (long long)o->cr2 : 0, (long long)o->end.rip);
	print_state(&o->end, s->code);
}

static void print_fpu_differences(const struct fpu *a, const struct fpu *b)
{
	for (u32 i = 0; i < 8; i++)
		if (memcmp(a->fx + FPU_ST + 16 * i, b->fx + FPU_ST + 16 * i, 10)) {
			printf("  st%u: ", i);
			print_bytes("", a->fx + FPU_ST + 16 * i, 10);
			print_bytes(" guest ", b->fx + FPU_ST + 16 * i, 10);
			printf("\n");
		}
	for (u32 i = 0; i < 16; i++)
		if (memcmp(a->fx + FPU_XMM + 16 * i, b->fx + FPU_XMM + 16 * i, 16) ||
		    memcmp(a->ymm_high[i], b->ymm_high[i], 16)) {
			printf("  ymm%u: ", i);
			print_bytes("", a->ymm_high[i], 16);
			print_bytes("_", a->fx + FPU_XMM + 16 * i, 16);
			print_bytes(" guest ", b->ymm_high[i], 16);
			print_bytes("_", b->fx + FPU_XMM + 16 * i, 16);
			printf("\n");
		}
}

void print_outcomes(const struct sequence *s, const struct outcome *host,
		    const struct outcome *guest)
{
	struct fpu a = host->end.fpu, b = guest->end.fpu;
	u32 shown = 0;

	print_end("host", s, host);
	print_end("guest", s, guest);
	fpu_complete(&a);
	fpu_complete(&b);
	print_fpu_differences(&a, &b);
	for (u32 i = 0; i < MEM_BYTES && shown < 16; i++)
		if (host->memory[i] != guest->memory[i] && shown++ < 16)
			printf("  [%llx]: %02x, host %02x, guest %02x\n", (long long)mem_address(i),
			       s->memory[i], host->memory[i], guest->memory[i]);
}
