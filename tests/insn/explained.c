// SPDX-License-Identifier: MIT
#include "explained.h"

#include <Zydis/Zydis.h>

#include "x86/decode/decode.h"

/* The host raises #UD where a guest need not. */
static bool is_ud_of_user_mode(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
#define HOST_UD(name, why)	case ZYDIS_MNEMONIC_##name:
#include "explained.def"
		return true;
	default:
		return false;
	}
}

static bool decode(const u8 *bytes, u8 code_size, ZydisDecodedInstruction *zi)
{
	ZydisDecoderContext ctx;
	ZydisDecoder d;

	if (code_size == 8)
		ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else if (code_size == 4)
		ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	else
		ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
	ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, &ctx, bytes, 15, zi));
}

/*
 * What the host does not advertise: its hypervisor hides what it cannot forbid,
 * and the decoder lets through what a guest's CPUID and CR4 decide on.
 */
static bool is_unadvertised(const ZydisDecodedInstruction *zi)
{
	switch (zi->meta.isa_set) {
#define FEATURE(set, name)	\
	case ZYDIS_ISA_SET_##set: return !__builtin_cpu_supports(name);
#include "explained.def"
	default:
		return false;
	}
}

/*
 * LOCK VERW of memory, which recent microcode of AMD's takes for VERW, and
 * VMCALL with a prefix, which is for the host's hypervisor to deal with.
 */
static bool is_oddity(const u8 *bytes, u8 code_size)
{
	bool locked = false;
	u32 i;

	for (i = 0; i < 12 && decode_is_prefix(bytes[i], code_size); i++)
		locked |= bytes[i] == 0xf0;
	if (bytes[i] != 0x0f)
		return false;
	return bytes[i + 1] ? bytes[i + 1] == 1 && bytes[i + 2] == 0xc1 :
			      locked && (bytes[i + 2] & 0x38) == 0x28;
}

bool explained_difference(const u8 *bytes, u8 code_size, bool host_ud)
{
	ZydisDecodedInstruction zi;

	if (!decode(bytes, code_size, &zi))
		return is_oddity(bytes, code_size);
	if ((!host_ud && decode_isa(&zi) == ISA_REFUSED) || is_unadvertised(&zi))
		return true;
	return host_ud && is_ud_of_user_mode(zi.mnemonic);
}

const char *explained_name(const u8 *bytes, u8 code_size)
{
	ZydisDecodedInstruction zi;

	return decode(bytes, code_size, &zi) ? ZydisMnemonicGetString(zi.mnemonic) : "none";
}
