// SPDX-License-Identifier: MIT
/* Who executes the instructions of a set: isa.def. */
#include "x86/decode/decode.h"

#define HOST(name)	__builtin_cpu_supports(name)

enum decode_isa decode_isa(const ZydisDecodedInstruction *zi)
{
	/* FCOMI is of the Pentium Pro's set, as UD2 is. */
	if (zi->meta.isa_ext == ZYDIS_ISA_EXT_X87 && zi->meta.isa_set == ZYDIS_ISA_SET_PPRO)
		return ISA_NATIVE;
	switch (zi->meta.isa_set) {
#define ENGINE(set, feature)	case ZYDIS_ISA_SET_##set: return ISA_ENGINE;
#define NATIVE(set, host)	case ZYDIS_ISA_SET_##set: return host ? ISA_NATIVE : ISA_REFUSED;
#include "x86/decode/isa.def"
	default:
		return ISA_REFUSED;
	}
}
