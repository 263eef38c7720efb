/* SPDX-License-Identifier: MIT */
/*
 * Instructions sorted into families, without those that may not run natively or
 * cannot be compared.
 */
#include "silicon.h"

#include <immintrin.h>
#include <string.h>

enum { XCR0 = 7 };	/* as the guest has it */

const char *const family_names[NR_FAMILIES] = {
	"integer", "shift", "muldiv", "bit", "bcd", "string", "stack", "branch", "far", "trap",
	"atomic", "flag", "segment", "fsgs", "verify", "privileged", "cache", "save", "bmi",
	"mmx", "sse", "sse2", "sse3", "sse4", "sse4a", "aes", "sha", "gfni", "avx", "avx2",
	"gather", "fma", "f16c", "vaes", "vnni", "x87",
};

u32 family_by_name(const char *name)
{
	u32 i = 0;

	while (i < NR_FAMILIES && strcmp(name, family_names[i]))
		i++;
	return i;
}

/* -- Sorting ---------------------------------------------------------------------- */

/* Those that their category or extension would put elsewhere. */
static const struct {
	ZydisMnemonic mnemonic;
	enum family family;
} exceptions[] = {
#define M(mnemonic, family)	{ ZYDIS_MNEMONIC_##mnemonic, family }
	M(MUL, MULDIV), M(IMUL, MULDIV), M(DIV, MULDIV), M(IDIV, MULDIV),
	M(XCHG, ATOMIC), M(CMPXCHG16B, ATOMIC), M(ENTER, STACK), M(LEAVE, STACK),
	M(PAUSE, INTEGER), M(LAR, VERIFY), M(LSL, VERIFY), M(VERR, VERIFY), M(VERW, VERIFY),
	M(PUSHF, FLAG), M(PUSHFD, FLAG), M(PUSHFQ, FLAG),
	M(POPF, FLAG), M(POPFD, FLAG), M(POPFQ, FLAG),
	M(BOUND, TRAP), M(INT, TRAP), M(INT3, TRAP), M(INTO, TRAP), M(UD2, TRAP),
	M(IRET, FAR), M(IRETD, FAR), M(IRETQ, FAR),
	M(FXSAVE, SAVE), M(FXSAVE64, SAVE), M(FXRSTOR, SAVE), M(FXRSTOR64, SAVE),
	M(FNSAVE, SAVE), M(FRSTOR, SAVE), M(FNSTENV, SAVE), M(FLDENV, SAVE),
	M(LDMXCSR, SAVE), M(STMXCSR, SAVE), M(VLDMXCSR, SAVE), M(VSTMXCSR, SAVE),
	M(XSAVE, SAVE), M(XSAVE64, SAVE), M(XSAVEC, SAVE), M(XSAVEC64, SAVE),
	M(XSAVEOPT, SAVE), M(XSAVEOPT64, SAVE), M(XRSTOR, SAVE), M(XRSTOR64, SAVE),
	M(XGETBV, SAVE),
	M(CLI, PRIVILEGED), M(STI, PRIVILEGED), M(CLTS, PRIVILEGED), M(HLT, PRIVILEGED),
	M(IN, PRIVILEGED), M(OUT, PRIVILEGED), M(INSB, PRIVILEGED), M(INSW, PRIVILEGED),
	M(INSD, PRIVILEGED), M(OUTSB, PRIVILEGED), M(OUTSW, PRIVILEGED), M(OUTSD, PRIVILEGED),
	M(LGDT, PRIVILEGED), M(LIDT, PRIVILEGED), M(LLDT, PRIVILEGED), M(LTR, PRIVILEGED),
	M(LMSW, PRIVILEGED), M(INVD, PRIVILEGED), M(WBINVD, PRIVILEGED), M(INVLPG, PRIVILEGED),
	M(INVPCID, PRIVILEGED), M(RDMSR, PRIVILEGED), M(WRMSR, PRIVILEGED),
	M(SWAPGS, PRIVILEGED), M(XSETBV, PRIVILEGED), M(XSAVES, PRIVILEGED),
	M(XSAVES64, PRIVILEGED), M(XRSTORS, PRIVILEGED), M(XRSTORS64, PRIVILEGED),
	/* Clocks, and what the host makes up. */
	M(CPUID, NONE), M(RDTSC, NONE),
	/* A hypervisor that intercepts #DB leaves RIP on it. */
	M(INT1, NONE),
	/* Whether they have a ModRM byte to fetch depends on the processor (SDM vol. 2B, UD). */
	M(UD0, NONE), M(UD1, NONE),
#undef M
};

static enum family family_of_base(const ZydisDecodedInstruction *zi)
{
	switch (zi->meta.category) {
	case ZYDIS_CATEGORY_SHIFT: case ZYDIS_CATEGORY_ROTATE: return SHIFT;
	case ZYDIS_CATEGORY_BITBYTE: return BIT;
	case ZYDIS_CATEGORY_DECIMAL: return BCD;
	case ZYDIS_CATEGORY_STRINGOP: return STRING;
	case ZYDIS_CATEGORY_PUSH: case ZYDIS_CATEGORY_POP: return STACK;
	case ZYDIS_CATEGORY_COND_BR: case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL: case ZYDIS_CATEGORY_RET:
		return zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? FAR : BRANCH;
	case ZYDIS_CATEGORY_SEMAPHORE: return ATOMIC;
	case ZYDIS_CATEGORY_FLAGOP: return FLAG;
	case ZYDIS_CATEGORY_SEGOP: return SEGMENT;
	case ZYDIS_CATEGORY_BINARY: case ZYDIS_CATEGORY_LOGICAL: case ZYDIS_CATEGORY_DATAXFER:
	case ZYDIS_CATEGORY_CMOV: case ZYDIS_CATEGORY_SETCC: case ZYDIS_CATEGORY_CONVERT:
	case ZYDIS_CATEGORY_MISC: case ZYDIS_CATEGORY_NOP: case ZYDIS_CATEGORY_WIDENOP:
		return INTEGER;
	default:
		return NONE;
	}
}

static enum family family_of_extension(const ZydisDecodedInstruction *zi)
{
	switch (zi->meta.isa_ext) {
	case ZYDIS_ISA_EXT_BASE: case ZYDIS_ISA_EXT_LONGMODE: return family_of_base(zi);
	case ZYDIS_ISA_EXT_RDWRFSGS: return FSGS;
	case ZYDIS_ISA_EXT_CLFSH: case ZYDIS_ISA_EXT_CLFLUSHOPT: case ZYDIS_ISA_EXT_CLWB:
	case ZYDIS_ISA_EXT_CLZERO: case ZYDIS_ISA_EXT_AMD3DNOW_PREFETCH: return CACHE;
	case ZYDIS_ISA_EXT_BMI1: case ZYDIS_ISA_EXT_BMI2: case ZYDIS_ISA_EXT_LZCNT:
	case ZYDIS_ISA_EXT_MOVBE: case ZYDIS_ISA_EXT_ADOX_ADCX: return BMI;
	case ZYDIS_ISA_EXT_MMX: return MMX;
	case ZYDIS_ISA_EXT_SSE: return SSE;
	case ZYDIS_ISA_EXT_SSE2: return SSE2;
	case ZYDIS_ISA_EXT_SSE3: case ZYDIS_ISA_EXT_SSSE3: return SSE3;
	case ZYDIS_ISA_EXT_SSE4: return SSE4;
	case ZYDIS_ISA_EXT_SSE4A: return SSE4A;
	case ZYDIS_ISA_EXT_AES: case ZYDIS_ISA_EXT_PCLMULQDQ: return AES;
	case ZYDIS_ISA_EXT_SHA: return SHA;
	case ZYDIS_ISA_EXT_GFNI: return GFNI;
	case ZYDIS_ISA_EXT_AVX: return AVX;
	case ZYDIS_ISA_EXT_AVX2: return AVX2;
	case ZYDIS_ISA_EXT_AVX2GATHER: return GATHER;
	case ZYDIS_ISA_EXT_FMA: return FMA;
	case ZYDIS_ISA_EXT_F16C: return F16C;
	case ZYDIS_ISA_EXT_AVXAES: case ZYDIS_ISA_EXT_VAES:
	case ZYDIS_ISA_EXT_VPCLMULQDQ: return VAES;
	case ZYDIS_ISA_EXT_AVX_VNNI: return VNNI;
	case ZYDIS_ISA_EXT_X87: return X87;
	default: return NONE;
	}
}

/* -- Leaving out ------------------------------------------------------------------------- */

bool any_host;

__attribute__((target("xsave")))
static bool host_has(enum family f)
{
	switch (any_host ? NONE : f) {
	case AES: return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
	case SSE4: return __builtin_cpu_supports("sse4.2");
	case SSE4A: return __builtin_cpu_supports("sse4a");
	case AVX: return __builtin_cpu_supports("avx");
	case AVX2: case GATHER: return __builtin_cpu_supports("avx2");
	case FMA: return __builtin_cpu_supports("fma");
	case VAES: return __builtin_cpu_supports("vaes");
	case VNNI: return __builtin_cpu_supports("avxvnni");
	case GFNI: return __builtin_cpu_supports("gfni");
	case BMI: return __builtin_cpu_supports("bmi2");
	case SAVE: return __builtin_cpu_supports("xsavec") && _xgetbv(0) == XCR0;
	case CACHE: return __builtin_cpu_supports("clzero") &&
			   __builtin_cpu_supports("clwb");
	case FAR: case SEGMENT: case FSGS: case VERIFY: return segments_available;
	default: return true;
	}
}

/*
 * Repeat prefixes are reserved here (SDM vol. 2A 2.1.1); AMD's processors take
 * the condition from them.
 */
static bool is_repeated_loop(const ZydisDecodedInstruction *zi)
{
	if (zi->mnemonic != ZYDIS_MNEMONIC_LOOPE && zi->mnemonic != ZYDIS_MNEMONIC_LOOPNE)
		return false;
	for (u32 i = 0; i < zi->raw.prefix_count; i++)
		if (zi->raw.prefixes[i].value == 0xf2 || zi->raw.prefixes[i].value == 0xf3)
			return true;
	return false;
}

/* It enters the host's kernel. */
static bool is_system_call(const ZydisDecodedInstruction *zi)
{
	return zi->mnemonic == ZYDIS_MNEMONIC_INT && zi->raw.imm[0].value.u == 0x80;
}

/* Control and debug registers are privileged, segments a family of their own. */
static enum family family_of_registers(const ZydisDecodedInstruction *zi,
				       const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count_visible; i++) {
		if (ops[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		switch (ZydisRegisterGetClass(ops[i].reg.value)) {
		case ZYDIS_REGCLASS_SEGMENT: return SEGMENT;
		case ZYDIS_REGCLASS_CONTROL: case ZYDIS_REGCLASS_DEBUG: return PRIVILEGED;
		default: break;
		}
	}
	return NONE;
}

static bool has_foreign_memory(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	for (u32 i = 0; i < zi->operand_count && !segments_available; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (ops[i].mem.segment == ZYDIS_REGISTER_FS ||
		     ops[i].mem.segment == ZYDIS_REGISTER_GS))
			return true;
	return false;
}

enum family family_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops)
{
	enum family f = family_of_registers(zi, ops);
	bool excepted = f != NONE;

	for (u32 i = 0; i < COUNT(exceptions) && !excepted; i++)
		if (exceptions[i].mnemonic == zi->mnemonic) {
			f = exceptions[i].family;
			excepted = true;
		}
	if (!excepted)
		f = family_of_extension(zi);
	if (f == NONE || !host_has(f) || is_repeated_loop(zi) || is_system_call(zi) ||
	    has_foreign_memory(zi, ops))
		return NONE;
	return f;
}

bool needs_user(const ZydisDecodedInstruction *zi, enum family f)
{
	switch (f) {
	case FAR: case TRAP: case SEGMENT: case VERIFY: case PRIVILEGED: case SAVE:
		return true;
	case FLAG:	/* PUSHF, POPF */
		return zi->meta.category != ZYDIS_CATEGORY_FLAGOP;
	default:
		return false;
	}
}
