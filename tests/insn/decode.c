// SPDX-License-Identifier: MIT
/* decode_insn() against Zydis on real code, and field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <Zydis/Zydis.h>

#include "fakes.h"
#include "x86/decode/decode.h"
#include "x86/interp/ops.h"

#include <link.h>	/* last: its PF_W is a macro */

/* -- Real code ------------------------------------------------------------------------ */

struct sweep {
	ZydisDecoder zydis;
	u64 insns, unimplemented_integer, wrong;
};

/* The instruction sets that the interpreter has to know all of. */
static bool is_integer(const ZydisDecodedInstruction *zi)
{
	switch (zi->meta.category) {
	case ZYDIS_CATEGORY_SYSTEM: case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET: case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_STRINGOP: case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP: case ZYDIS_CATEGORY_SEGOP:
		return false;
	default:
		break;
	}
	switch (zi->mnemonic) {	/* privileged or far, in a category of data movement */
	case ZYDIS_MNEMONIC_CPUID:
	case ZYDIS_MNEMONIC_CLI: case ZYDIS_MNEMONIC_STI: case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFQ:
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFQ:
		return false;
	default:
		break;
	}
	switch (zi->meta.isa_set) {
	case ZYDIS_ISA_SET_I86: case ZYDIS_ISA_SET_I186: case ZYDIS_ISA_SET_I386:
	case ZYDIS_ISA_SET_I486REAL: case ZYDIS_ISA_SET_CMOV: case ZYDIS_ISA_SET_LONGMODE:
	case ZYDIS_ISA_SET_POPCNT: case ZYDIS_ISA_SET_LZCNT: case ZYDIS_ISA_SET_MOVBE:
	case ZYDIS_ISA_SET_FAT_NOP: case ZYDIS_ISA_SET_PAUSE: case ZYDIS_ISA_SET_CMPXCHG16B:
	case ZYDIS_ISA_SET_PENTIUMREAL:
		return true;
	default:
		return false;
	}
}

static u32 sweep_one(struct sweep *s, const u8 *p, u32 avail)
{
	ZydisDecodedInstruction zi;
	ZydisDecoderContext ctx;
	bool valid = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&s->zydis, &ctx, p, avail, &zi));
	enum decode_result r;
	struct insn in;

	r = decode_insn(NULL, p, avail, 8, &in);
	if (valid != (r == DECODE_OK) || (valid && in.len != zi.length)) {
		s->wrong++;
		return valid ? zi.length : 1;
	}
	if (!valid)
		return 1;
	s->insns++;
	if (!in.op || (in.op == op_unimplemented && is_integer(&zi))) {
		fprintf(stderr, "not implemented: %s\n", ZydisMnemonicGetString(zi.mnemonic));
		s->unimplemented_integer++;
	}
	return zi.length;
}

static int sweep_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct sweep *s = arg;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const u8 *text = (const u8 *)info->dlpi_addr + ph->p_vaddr;
		u64 off;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		for (off = 0; off < ph->p_memsz;)
			off += sweep_one(s, text + off, (u32)MIN(ph->p_memsz - off, 15));
	}
	return 0;
}

static void agrees_with_zydis_on_loaded_code(void **state)
{
	struct sweep s = { .insns = 0 };
	bool amd = strstr((const char *)*state, "AMD");

	ZydisDecoderInit(&s.zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&s.zydis, ZYDIS_DECODER_MODE_AMD_BRANCHES, amd);
	ZydisDecoderEnableMode(&s.zydis, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
	ZydisDecoderEnableMode(&s.zydis, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	dl_iterate_phdr(sweep_object, &s);
	assert_true(s.insns > 100000);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(s.unimplemented_integer, 0);
}

/* -- Field by field --------------------------------------------------------------- */

static struct insn decode(u8 code_size, const u8 *bytes, u32 n)
{
	struct insn in;

	assert_int_equal(decode_insn(NULL, bytes, n, code_size, &in), DECODE_OK);
	assert_int_equal(in.len, n);
	return in;
}

#define DECODE(code_size, ...) \
	decode(code_size, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static enum decode_result result(u8 code_size, const u8 *bytes, u32 n)
{
	struct insn in;

	return decode_insn(NULL, bytes, n, code_size, &in);
}

#define RESULT(code_size, ...) \
	result(code_size, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void refuses_what_is_invalid(void **state)
{
	u8 longest[16] = { [0 ... 13] = 0x66, 0x90, 0x90 };

	assert_int_equal(RESULT(8, 0x48), DECODE_SHORT);
	assert_int_equal(RESULT(8, 0x48, 0x8b), DECODE_SHORT);
	assert_int_equal(RESULT(8, 0xe8, 0, 0, 0), DECODE_SHORT);
	assert_int_equal(result(8, longest, 16), DECODE_OK);
	longest[14] = 0x66;
	assert_int_equal(result(8, longest, 16), DECODE_TOO_LONG);
	longest[0] = 0xc7;		/* too long by its immediate */
	memset(longest, 0x66, 12);
	memcpy(longest + 12, (u8[]){ 0xc7, 0x00, 0x00 }, 3);
	assert_int_equal(result(8, longest, 15), DECODE_TOO_LONG);

	assert_int_equal(RESULT(8, 0x06), DECODE_INVALID);		/* PUSH ES */
	assert_int_equal(RESULT(8, 0x37), DECODE_INVALID);		/* AAA */
	assert_int_equal(RESULT(8, 0xea, 0, 0, 0, 0, 0, 0), DECODE_INVALID);
	assert_int_equal(RESULT(8, 0xf0, 0x01, 0xc0), DECODE_INVALID);	/* LOCK ADD EAX, EAX */
	assert_int_equal(RESULT(8, 0xf0, 0x03, 0x00), DECODE_INVALID);	/* LOCK ADD EAX, [RAX] */
	assert_int_equal(RESULT(8, 0xf0, 0x39, 0x00), DECODE_INVALID);	/* LOCK CMP */
	assert_int_equal(RESULT(8, 0xf0, 0x90), DECODE_INVALID);
	assert_int_equal(RESULT(8, 0xf0, 0x01, 0x00), DECODE_OK);
	assert_int_equal(RESULT(8, 0x0f, 0x20, 0xc8), DECODE_INVALID);	/* MOV RAX, CR1 */
	assert_int_equal(RESULT(4, 0x8d, 0xc0), DECODE_INVALID);	/* LEA EAX, EAX */
	assert_int_equal(RESULT(4, 0x8e, 0xc8), DECODE_INVALID);	/* MOV CS, AX */
}

static void fills_in_addresses(void **state)
{
	/* MOV RAX, [RBX + R12 * 4 - 16] */
	struct insn in = DECODE(8, 0x4a, 0x8b, 0x44, 0xa3, 0xf0);

	assert_int_equal(in.base, GPR_OFF(RBX));
	assert_int_equal(in.index, GPR_OFF(R12));
	assert_int_equal(in.shift, 2);
	assert_int_equal(in.disp, -16);
	assert_int_equal(in.reg, GPR_OFF(RAX));
	assert_int_equal(in.osz, 8);
	assert_int_equal(in.asz, 8);
	assert_int_equal(in.flags, INSN_MEM | INSN_EA64);

	in = DECODE(8, 0x89, 0x05, 0x10, 0, 0, 0);	/* MOV [RIP + 16], EAX */
	assert_int_equal(in.base, GPR_OFF_RIP);
	assert_int_equal(in.index, GPR_OFF_NONE);
	assert_int_equal(in.disp, 16 + 6);
	assert_int_equal(in.flags, INSN_MEM | INSN_EA64 | INSN_STORE);

	in = DECODE(8, 0x65, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0);	/* MOV EAX, GS:[40] */
	assert_int_equal(in.seg, GS);
	assert_int_equal(in.base, GPR_OFF_NONE);
	assert_int_equal(in.disp, 40);
	assert_int_equal(in.flags, INSN_MEM);

	in = DECODE(8, 0x67, 0x8b, 0x00);		/* MOV EAX, [EAX] */
	assert_int_equal(in.asz, 4);
	assert_int_equal(in.flags, INSN_MEM);

	in = DECODE(2, 0x8b, 0x42, 0x08);		/* MOV AX, [BP + SI + 8] */
	assert_int_equal(in.base, GPR_OFF(RBP));
	assert_int_equal(in.index, GPR_OFF(RSI));
	assert_int_equal(in.seg, SS);
	assert_int_equal(in.asz, 2);
	assert_int_equal(in.osz, 2);

	in = DECODE(4, 0x2e, 0x8a, 0x67, 0xff);		/* MOV AH, CS:[EDI - 1] */
	assert_int_equal(in.reg, GPR_OFF(RAX) + 1);
	assert_int_equal(in.seg, CS);
	assert_int_equal(in.disp, -1);
	assert_int_equal(in.osz, 1);

	in = DECODE(8, 0x48, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8);	/* MOV RAX, moffs */
	assert_int_equal(in.imm, 0x0807060504030201ull);
	in = DECODE(4, 0x64, 0x66, 0xa3, 1, 2, 3, 0x84);	/* MOV FS:moffs, AX */
	assert_int_equal(in.imm, 0x84030201);
	assert_int_equal(in.seg, FS);
	assert_int_equal(in.osz, 2);
	assert_int_equal(DECODE(2, 0xa0, 0xd0, 0xf4).imm, 0xf4d0);
	assert_int_equal(DECODE(2, 0x67, 0xa0, 0xd0, 0xf4, 0, 0x80).imm, 0x8000f4d0);
}

static void extends_immediates(void **state)
{
	assert_int_equal(DECODE(8, 0x48, 0x83, 0xc0, 0x80).imm, (u64)-128);
	assert_int_equal(DECODE(8, 0x48, 0xc7, 0xc0, 0, 0, 0, 0x80).imm, 0xffffffff80000000ull);
	assert_int_equal(DECODE(8, 0x6a, 0xff).imm, (u64)-1);
	assert_int_equal(DECODE(8, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8).imm, 0x0807060504030201ull);
	assert_int_equal(DECODE(8, 0xeb, 0xfe).imm, 0);		/* JMP to itself */
	assert_int_equal(DECODE(4, 0xe8, 0xfb, 0xff, 0xff, 0xff).imm, 0);
	assert_int_equal(DECODE(8, 0xc2, 0xff, 0xff).imm, 0xffff);
	assert_int_equal(DECODE(8, 0xc8, 0x34, 0x12, 0x05).imm, 0x1234);
	assert_int_equal(DECODE(8, 0xc8, 0x34, 0x12, 0x05).sub, 5);
	assert_int_equal(DECODE(8, 0xcd, 0x80).imm, 0x80);
}

static void knows_special_forms(void **state)
{
	struct insn in = DECODE(8, 0x0f, 0x22, 0xdf);		/* MOV CR3, RDI */

	assert_int_equal(in.sub, 3);
	assert_int_equal(in.rm, GPR_OFF(RDI));
	assert_true(in.flags & INSN_END);
	in = DECODE(8, 0x44, 0x0f, 0x20, 0xc1);			/* MOV RCX, CR8 */
	assert_int_equal(in.sub, 8);
	assert_int_equal(in.rm, GPR_OFF(RCX));
	in = DECODE(8, 0x0f, 0x23, 0xfe);			/* MOV DR7, RSI */
	assert_int_equal(in.sub, 7);
	assert_int_equal(in.rm, GPR_OFF(RSI));
	in = DECODE(8, 0x8e, 0xd8);				/* MOV DS, EAX */
	assert_int_equal(in.sub, DS);
	assert_int_equal(in.rm, GPR_OFF(RAX));
	in = DECODE(8, 0x8c, 0x20);				/* MOV [RAX], FS */
	assert_int_equal(in.sub, FS);
	assert_true(in.flags & INSN_MEM);
	in = DECODE(4, 0x17);					/* POP SS */
	assert_int_equal(in.sub, SS);
	assert_int_equal(in.osz, 4);
	in = DECODE(8, 0x0f, 0xa8);				/* PUSH GS */
	assert_int_equal(in.sub, GS);
	assert_int_equal(in.osz, 8);
	in = DECODE(4, 0xea, 1, 2, 3, 4, 5, 6);			/* JMP 0605:04030201 */
	assert_int_equal(in.imm, 0x060504030201ull);
	assert_true(in.flags & INSN_END);
	in = DECODE(8, 0x48, 0xff, 0x28);			/* JMP FAR [RAX] */
	assert_int_equal(in.osz, 8);
	assert_true(in.flags & INSN_MEM && in.flags & INSN_END);
	in = DECODE(8, 0x48, 0xca, 8, 0);			/* RETF 8 */
	assert_int_equal(in.imm, 8);
	assert_int_equal(in.osz, 8);
	in = DECODE(4, 0xc5, 0x03);				/* LDS EAX, [EBX] */
	assert_int_equal(in.sub, DS);
	assert_int_equal(in.reg, GPR_OFF(RAX));
	assert_int_equal(in.osz, 4);
}

static void describes_strings_and_ports(void **state)
{
	struct insn in = DECODE(8, 0xf3, 0x48, 0xa5);		/* REP MOVSQ */

	assert_int_equal(in.osz, 8);
	assert_int_equal(in.asz, 8);
	assert_true(in.flags & INSN_REP);
	in = DECODE(8, 0x64, 0xf2, 0xa4);			/* REPNE MOVSB repeats */
	assert_true(in.flags & INSN_REP);
	assert_false(in.flags & INSN_REPNE);
	assert_int_equal(in.seg, FS);
	assert_int_equal(in.osz, 1);
	in = DECODE(8, 0xf2, 0xae);				/* REPNE SCASB */
	assert_true(in.flags & INSN_REPNE);
	assert_false(in.flags & INSN_REP);
	assert_int_equal(in.seg, ES);
	in = DECODE(8, 0xf3, 0xa6);				/* REPE CMPSB */
	assert_true(in.flags & INSN_REP);
	assert_int_equal(in.seg, DS);
	in = DECODE(2, 0x67, 0xab);				/* STOSW, 32-bit address */
	assert_int_equal(in.osz, 2);
	assert_int_equal(in.asz, 4);
	in = DECODE(8, 0xf3, 0x6f);				/* REP OUTSD */
	assert_int_equal(in.osz, 4);
	assert_int_equal(in.seg, DS);
	in = DECODE(8, 0x65, 0xd7);				/* XLAT with GS */
	assert_int_equal(in.seg, GS);
	in = DECODE(4, 0x2e, 0xac);				/* LODSB CS:[ESI] */
	assert_int_equal(in.seg, CS);
	in = DECODE(8, 0x2e, 0xac);
	assert_int_equal(in.seg, DS);
	in = DECODE(8, 0x48, 0x6f);				/* OUTS has no 64 bits */
	assert_int_equal(in.osz, 4);
	in = DECODE(8, 0x6c);					/* INSB */
	assert_int_equal(in.osz, 1);
	assert_int_equal(in.seg, ES);

	in = DECODE(8, 0xe4, 0x80);				/* IN AL, 0x80 */
	assert_int_equal(in.imm, 0x80);
	assert_int_equal(in.sub, 1);
	assert_int_equal(in.osz, 1);
	in = DECODE(8, 0x66, 0xef);				/* OUT DX, AX */
	assert_int_equal(in.sub, 0);
	assert_int_equal(in.osz, 2);
	in = DECODE(8, 0xed);					/* IN EAX, DX */
	assert_int_equal(in.osz, 4);
}

static void sizes_follow_the_mode(void **state)
{
	assert_int_equal(DECODE(8, 0x50).osz, 8);
	assert_int_equal(DECODE(8, 0x66, 0x50).osz, 2);
	assert_int_equal(DECODE(4, 0x50).osz, 4);
	assert_int_equal(DECODE(2, 0x50).osz, 2);
	assert_int_equal(DECODE(2, 0x66, 0x50).osz, 4);
	assert_int_equal(DECODE(8, 0xff, 0x30).osz, 8);
	assert_int_equal(DECODE(8, 0xc3).osz, 8);
	assert_int_equal(DECODE(2, 0xc3).osz, 2);
	assert_int_equal(DECODE(8, 0x75, 0).osz, 8);
	assert_int_equal(DECODE(4, 0x75, 0).osz, 4);
	assert_int_equal(DECODE(2, 0xe2, 0).asz, 2);
	assert_int_equal(DECODE(2, 0x66, 0xe9, 0, 0, 0, 0).osz, 4);
	/* AMD cuts RIP to 16 bits (APM vol. 3, Jcc). */
	assert_int_equal(DECODE(8, 0x66, 0x75, 0).osz, __builtin_cpu_is("amd") ? 2 : 8);
	assert_int_equal(DECODE(8, 0x66, 0xe2, 0).osz, __builtin_cpu_is("amd") ? 2 : 8);
	assert_int_equal(DECODE(8, 0x66, 0x48, 0xeb, 0).osz, 8);
	assert_int_equal(DECODE(8, 0x0f, 0x94, 0xc0).osz, 1);
	assert_int_equal(DECODE(8, 0x0f, 0xb6, 0xc0).src_size, 1);
	assert_int_equal(DECODE(8, 0x48, 0x0f, 0xb7, 0xc0).src_size, 2);
	/* Without CET, MPX and CLDEMOTE these are NOPs. */
	assert_ptr_equal(DECODE(8, 0xf3, 0x0f, 0x1e, 0xfa).op, op_nop);
	assert_ptr_equal(DECODE(8, 0xf3, 0x48, 0x0f, 0x1e, 0xc8).op, op_nop);
	assert_ptr_equal(DECODE(8, 0xf3, 0x0f, 0x1b, 0x00).op, op_nop);
	assert_ptr_equal(DECODE(8, 0x0f, 0x1c, 0x00).op, op_nop);
	assert_ptr_equal(DECODE(8, 0x0f, 0x0b).op, op_ud);
	assert_ptr_equal(DECODE(8, 0x0f, 0xb9, 0xc0).op, op_ud);
}

/* APM vol. 2 3.1.5: the way to CR8 from other modes than 64-bit. */
static void lock_makes_cr0_cr8(void **state)
{
	struct insn in;

	if (!decode_host_init())
		skip();
	in = DECODE(4, 0xf0, 0x0f, 0x22, 0xc3);			/* LOCK MOV CR0, EBX */
	assert_ptr_equal(in.op, op_mov_to_cr);
	assert_int_equal(in.sub, 8);
	assert_int_equal(in.rm, GPR_OFF(RBX));
	assert_int_equal(in.len, 4);
	in = DECODE(8, 0x66, 0xf0, 0x41, 0x0f, 0x20, 0xc1);	/* LOCK MOV R9, CR0 */
	assert_ptr_equal(in.op, op_mov_from_cr);
	assert_int_equal(in.sub, 8);
	assert_int_equal(in.rm, GPR_OFF(R9));
	assert_false(in.flags & INSN_LOCK);
}

int main(void)
{
	static char vendor[16];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(agrees_with_zydis_on_loaded_code, vendor),
		cmocka_unit_test(refuses_what_is_invalid),
		cmocka_unit_test(fills_in_addresses),
		cmocka_unit_test(extends_immediates),
		cmocka_unit_test(knows_special_forms),
		cmocka_unit_test(describes_strings_and_ports),
		cmocka_unit_test(sizes_follow_the_mode),
		cmocka_unit_test(lock_makes_cr0_cr8),
	};
	u32 id[4];

	__asm__("cpuid" : "=a"(id[0]), "=b"(id[1]), "=c"(id[2]), "=d"(id[3]) : "a"(0));
	memcpy(vendor, &id[1], 4);
	memcpy(vendor + 4, &id[3], 4);
	memcpy(vendor + 8, &id[2], 4);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
