// SPDX-License-Identifier: MIT
#include "x86/decode/decode.h"

/*
 * The extensions a guest can be offered, x86/api/cpuid.def in Zydis' words.
 * An instruction of another one raises #UD, as on a processor without it: a
 * guest's user must not be able to stop the VM with it.
 */
static const bool offered[ZYDIS_ISA_EXT_MAX_VALUE + 1] = {
	[ZYDIS_ISA_EXT_BASE] = true,
	[ZYDIS_ISA_EXT_LONGMODE] = true,
	[ZYDIS_ISA_EXT_X87] = true,
	[ZYDIS_ISA_EXT_MMX] = true,
	[ZYDIS_ISA_EXT_SSE] = true,
	[ZYDIS_ISA_EXT_SSE2] = true,
	[ZYDIS_ISA_EXT_SSE3] = true,
	[ZYDIS_ISA_EXT_SSSE3] = true,
	[ZYDIS_ISA_EXT_SSE4] = true,
	[ZYDIS_ISA_EXT_SSE4A] = true,
	[ZYDIS_ISA_EXT_AVX] = true,
	[ZYDIS_ISA_EXT_AVX2] = true,
	[ZYDIS_ISA_EXT_AVX2GATHER] = true,
	[ZYDIS_ISA_EXT_AVXAES] = true,
	[ZYDIS_ISA_EXT_AES] = true,
	[ZYDIS_ISA_EXT_PCLMULQDQ] = true,
	[ZYDIS_ISA_EXT_VAES] = true,
	[ZYDIS_ISA_EXT_VPCLMULQDQ] = true,
	[ZYDIS_ISA_EXT_GFNI] = true,
	[ZYDIS_ISA_EXT_SHA] = true,
	[ZYDIS_ISA_EXT_FMA] = true,
	[ZYDIS_ISA_EXT_F16C] = true,
	[ZYDIS_ISA_EXT_BMI1] = true,
	[ZYDIS_ISA_EXT_BMI2] = true,
	[ZYDIS_ISA_EXT_ADOX_ADCX] = true,
	[ZYDIS_ISA_EXT_LZCNT] = true,
	[ZYDIS_ISA_EXT_MOVBE] = true,
	[ZYDIS_ISA_EXT_PAUSE] = true,
	[ZYDIS_ISA_EXT_AMD3DNOW_PREFETCH] = true,
	[ZYDIS_ISA_EXT_PREFETCHWT1] = true,
	[ZYDIS_ISA_EXT_CLFSH] = true,
	[ZYDIS_ISA_EXT_CLFLUSHOPT] = true,
	[ZYDIS_ISA_EXT_CLWB] = true,
	[ZYDIS_ISA_EXT_CLZERO] = true,
	[ZYDIS_ISA_EXT_INVPCID] = true,
	[ZYDIS_ISA_EXT_RDPID] = true,
	[ZYDIS_ISA_EXT_RDRAND] = true,
	[ZYDIS_ISA_EXT_RDSEED] = true,
	[ZYDIS_ISA_EXT_RDTSCP] = true,
	[ZYDIS_ISA_EXT_RDWRFSGS] = true,
	[ZYDIS_ISA_EXT_SMAP] = true,
	[ZYDIS_ISA_EXT_XSAVE] = true,
	[ZYDIS_ISA_EXT_XSAVEC] = true,
	[ZYDIS_ISA_EXT_XSAVEOPT] = true,
	[ZYDIS_ISA_EXT_XSAVES] = true,
};

bool decode_is_offered(const ZydisDecodedInstruction *zi)
{
	return offered[zi->meta.isa_ext];
}
