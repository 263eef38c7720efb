// SPDX-License-Identifier: MIT
/*
 * Where processors decode otherwise than Zydis 4.0.  Vendors differ, and the
 * guest is told that its CPU is of the host's.
 */
#include <cpuid.h>
#include <string.h>

#include "x86/decode/decode.h"

enum {
	SIGNATURE_HYGON_EBX	= 0x6f677948,	/* "Hygo" */
	PREFIX_LOCK		= 0xf0,
	PREFIX_DS		= 0x3e,
	PREFIX_REP		= 0xf3,
	OPCODE_NOP		= 0x90,
	PREFIX_VEX3		= 0xc4,
	VEX3_W			= BIT(7),
};

static bool amd;

bool decode_host_init(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	amd = ebx == signature_AMD_ebx || ebx == SIGNATURE_HYGON_EBX;
	return amd;
}

/* -- What Zydis takes and the processor does not ------------------------------------ */

/* Encodings of Knights Corner under the mnemonics of others. */
static bool is_knc(const ZydisDecodedInstruction *zi)
{
	return zi->meta.isa_ext == ZYDIS_ISA_EXT_KNC;
}

/* VPINSRQ, VPEXTRQ: they are not VPINSRD and VPEXTRD outside 64-bit code. */
static bool is_wide_element(const struct decoding *d)
{
	return d->code_size != 8 && d->zi.raw.vex.W &&
	       d->zi.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
	       (d->zi.mnemonic == ZYDIS_MNEMONIC_VPINSRD ||
		d->zi.mnemonic == ZYDIS_MNEMONIC_VPEXTRD);
}

/* PREFETCH of a register is a NOP to Intel only. */
static bool is_register_prefetch(const ZydisDecodedInstruction *zi)
{
	return amd && zi->meta.isa_set == ZYDIS_ISA_SET_PREFETCH_NOP &&
	       zi->opcode == 0x0d && zi->raw.modrm.mod == 3;
}

bool decode_is_undefined(const struct decoding *d)
{
	return is_knc(&d->zi) || is_wide_element(d) || is_register_prefetch(&d->zi);
}

/* -- What Zydis takes for something else ------------------------------------------------ */

/* Of relative near branches it knows (ZYDIS_DECODER_MODE_AMD_BRANCHES). */
bool decode_cuts_rip(const struct decoding *d)
{
	return amd && d->code_size == 8 &&
	       (d->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT ||
		d->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR) &&
	       (d->zi.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) && !d->zi.raw.rex.W;
}

bool decode_movsxd_is_wide(const struct decoding *d)
{
	return amd && (d->zi.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE);
}

/* With REX.B it exchanges R8 and RAX. */
bool decode_is_no_pause(const struct decoding *d)
{
	return amd && d->zi.mnemonic == ZYDIS_MNEMONIC_PAUSE && d->zi.raw.rex.B;
}

/* -- And the other way round --------------------------------------------------------- */

bool decode_is_prefix(u8 byte, u8 code_size)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case PREFIX_DS: case 0x64: case 0x65:
	case 0x66: case 0x67: case PREFIX_LOCK: case 0xf2: case 0xf3:
		return true;
	default:
		return code_size == 8 && (byte & 0xf0) == 0x40;
	}
}

/*
 * LOCK MOV CR0 is MOV CR8, in any mode (APM vol. 2, 3.1.5): LOCK gives way to a
 * prefix that means nothing here.
 */
static enum decode_alias alias_cr8(u8 *bytes, const u8 *op, u8 code_size)
{
	bool locked = false;
	u8 *p;

	if (op[0] != 0x0f || (op[1] & ~2) != 0x20 || (op[2] & 0x38))
		return ALIAS_NONE;
	if (op > bytes && code_size == 8 && (op[-1] & 0xf4) == 0x44)
		return ALIAS_NONE;	/* REX.R: CR16 */
	for (p = bytes; p < op; p++)
		if (*p == PREFIX_LOCK) {
			*p = PREFIX_DS;
			locked = true;
		}
	return locked ? ALIAS_CR8 : ALIAS_NONE;
}

/* VPERMQ and VPERMPD whatever VEX.W is. */
static enum decode_alias alias_vperm(u8 *op)
{
	if (op[0] != PREFIX_VEX3 || (op[1] & 0x1f) != 3 || op[2] != 0x7d || op[3] > 1)
		return ALIAS_NONE;
	op[2] |= VEX3_W;
	return ALIAS_SAME;
}

static enum decode_alias alias_xchg(u8 *bytes, const u8 *op)
{
	if (op == bytes || *op != OPCODE_NOP)
		return ALIAS_NONE;
	for (u8 *p = bytes; p < op; p++)
		if (*p == PREFIX_REP)
			*p = PREFIX_DS;
	return ALIAS_SAME;
}

enum decode_alias decode_alias(u8 *bytes, unsigned int avail, u8 code_size)
{
	enum decode_alias alias;
	u32 i = 0;

	while (i < avail && decode_is_prefix(bytes[i], code_size))
		i++;
	if (amd && i < avail && alias_xchg(bytes, bytes + i) != ALIAS_NONE)
		return ALIAS_SAME;
	if (!amd || i + 3 > avail)
		return ALIAS_NONE;
	alias = alias_cr8(bytes, bytes + i, code_size);
	return alias == ALIAS_NONE && i + 4 <= avail ? alias_vperm(bytes + i) : alias;
}

/* An Intel processor may raise #UD as soon as it knows. */
enum decode_result decode_failure(const u8 *bytes, unsigned int avail, u8 code_size,
				  enum decode_result otherwise)
{
	u32 length;

	if (!amd)
		return otherwise;
	length = decode_length(bytes, avail, code_size);
	if (length <= avail)
		return DECODE_INVALID;
	return avail < INSN_MAX_BYTES ? DECODE_SHORT : DECODE_TOO_LONG;
}
