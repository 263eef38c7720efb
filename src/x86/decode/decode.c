// SPDX-License-Identifier: MIT
/*
 * Bytes to struct insn.  Zydis does the parsing; the handler is looked up by
 * mnemonic, and by form and size for the families of the common instructions.
 */
#include <cpuid.h>
#include <string.h>

#include "x86/decode/decode.h"
#include "x86/native/native.h"

enum {
	INSN_MAX_BYTES = 15,
	SIGNATURE_HYGON_EBX = 0x6f677948,	/* "Hygo" */
};

/* For 16-, 32- and 64-bit code. */
static bool amd;	/* the host's vendor */
static ZydisDecoder decoders[3];

static bool host_is_amd(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_AMD_ebx || ebx == SIGNATURE_HYGON_EBX;
}

/*
 * CET, MPX and CLDEMOTE are never offered: their opcodes are the NOPs they
 * were before.  A 66 prefix on a near branch in 64-bit code means what it
 * means to the host: AMD cuts RIP to 16 bits, Intel ignores it.
 */
__attribute__((constructor))
static void decoders_init(void)
{
	static const struct { ZydisMachineMode mode; ZydisStackWidth stack; } kind[] = {
		{ ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		{ ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		{ ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};
	size_t i;

	amd = host_is_amd();
	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		ZydisDecoder *d = &decoders[i];

		ZydisDecoderInit(d, kind[i].mode, kind[i].stack);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_AMD_BRANCHES, amd);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	}
}

bool decode_for_amd(void)
{
	return amd;
}

/* A short branch, of which the decoder does not know what AMD makes of 66. */
static bool cuts_rip(const struct decoding *d)
{
	return amd && d->code_size == 8 && d->zi.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT &&
	       (d->zi.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) && !d->zi.raw.rex.W;
}

static enum decode_result result_of(ZyanStatus status, unsigned int avail)
{
	if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
		return DECODE_TOO_LONG;
	if (status == ZYDIS_STATUS_NO_MORE_DATA)
		return avail < INSN_MAX_BYTES ? DECODE_SHORT : DECODE_TOO_LONG;
	return DECODE_INVALID;
}

static void decode_native(struct native *native, const ZydisDecoder *decoder,
			  const ZydisDecoderContext *ctx, struct decoding *d,
			  const u8 *bytes, struct insn *in)
{
	ZydisDecoderDecodeOperands(decoder, ctx, &d->zi, d->ops, d->zi.operand_count);
	if (!native_prepare(native, &d->zi, d->ops, bytes, in))
		in->op = decode_is_offered(&d->zi) ? op_unimplemented : op_ud;
}

/* False: no handler of ours. */
static bool decode_handler(const struct decoding *d, struct insn *in)
{
	const struct op_entry *e = &op_table[d->zi.mnemonic];

	if (decode_is_vector(d))
		return false;
	if (decode_special(d, in))
		return true;
	in->flags |= e->flags;
	in->op = e->family ? decode_family(d, e->family, in) : e->op;
	return in->op != NULL;
}

enum decode_result decode_insn(struct native *native, const u8 *bytes,
			       unsigned int avail, u8 code_size, struct insn *in)
{
	const ZydisDecoder *decoder = &decoders[code_size >> 2];
	ZydisDecoderContext ctx;
	struct decoding d;
	ZyanStatus status;

	avail = MIN(avail, INSN_MAX_BYTES);
	status = ZydisDecoderDecodeInstruction(decoder, &ctx, bytes, avail, &d.zi);
	if (ZYAN_FAILED(status))
		return result_of(status, avail);
	status = ZydisDecoderDecodeOperands(decoder, &ctx, &d.zi, d.ops,
					    d.zi.operand_count_visible);
	if (ZYAN_FAILED(status))
		return DECODE_INVALID;
	d.code_size = code_size;
	memset(in, 0, sizeof(*in));
	decode_operands(&d, in);
	if (cuts_rip(&d))
		in->osz = 2;
	if (!decode_handler(&d, in))
		decode_native(native, decoder, &ctx, &d, bytes, in);
	return DECODE_OK;
}
