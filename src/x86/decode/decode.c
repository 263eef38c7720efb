// SPDX-License-Identifier: MIT
/*
 * Bytes to struct insn.  Zydis does the parsing; the handler is looked up by
 * mnemonic, and by form and size for the families of the common instructions.
 */
#include <string.h>

#include "x86/decode/decode.h"
#include "x86/native/native.h"

/* For 16-, 32- and 64-bit code. */
static ZydisDecoder decoders[3];

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
	bool amd = decode_host_init();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		ZydisDecoder *d = &decoders[i];

		ZydisDecoderInit(d, kind[i].mode, kind[i].stack);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_AMD_BRANCHES, amd);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	}
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
	enum decode_isa isa = decode_isa(&d->zi);

	in->op = isa == ISA_REFUSED ? op_ud : op_unimplemented;
	if (isa != ISA_NATIVE)
		return;
	ZydisDecoderDecodeOperands(decoder, ctx, &d->zi, d->ops, d->zi.operand_count);
	native_prepare(native, &d->zi, d->ops, bytes, in);
}

/* False: no handler of ours. */
static bool decode_handler(const struct decoding *d, struct insn *in)
{
	const struct op_entry *e = &op_table[d->zi.mnemonic];

	if (decode_is_vector(&d->zi))
		return false;
	if (decode_special(d, in))
		return true;
	in->flags |= e->flags;
	in->op = e->family ? decode_family(d, e->family, in) : e->op;
	return in->op != NULL;
}

/* Into @d, all but the hidden operands. */
static ZyanStatus parse(const ZydisDecoder *decoder, ZydisDecoderContext *ctx,
			const u8 *bytes, unsigned int avail, struct decoding *d)
{
	ZyanStatus status = ZydisDecoderDecodeInstruction(decoder, ctx, bytes, avail, &d->zi);

	if (ZYAN_FAILED(status))
		return status;
	return ZydisDecoderDecodeOperands(decoder, ctx, &d->zi, d->ops,
					  d->zi.operand_count_visible);
}

/* What another encoding stands for; @bytes become those of that. */
static ZyanStatus parse_alias(const ZydisDecoder *decoder, ZydisDecoderContext *ctx,
			      u8 *bytes, unsigned int avail, struct decoding *d)
{
	enum decode_alias alias = decode_alias(bytes, avail, d->code_size);
	ZyanStatus status;
	int i;

	if (alias == ALIAS_NONE)
		return ZYDIS_STATUS_DECODING_ERROR;
	status = parse(decoder, ctx, bytes, avail, d);
	for (i = 0; ZYAN_SUCCESS(status) && alias == ALIAS_CR8 && i < 2; i++)
		if (d->ops[i].reg.value == ZYDIS_REGISTER_CR0)
			d->ops[i].reg.value = ZYDIS_REGISTER_CR8;
	return status;
}

const ZydisDecoder *decode_decoder(u8 code_size)
{
	return &decoders[code_size >> 2];
}

enum decode_result decode_insn(struct native *native, const u8 *bytes,
			       unsigned int avail, u8 code_size, struct insn *in)
{
	const ZydisDecoder *decoder = decode_decoder(code_size);
	u8 other[INSN_MAX_BYTES];
	const u8 *used = bytes;
	enum decode_result result = DECODE_OK;
	ZydisDecoderContext ctx;
	struct decoding d;
	ZyanStatus status;

	avail = MIN(avail, INSN_MAX_BYTES);
	d.code_size = code_size;
	status = parse(decoder, &ctx, bytes, avail, &d);
	if (ZYAN_FAILED(status) ? result_of(status, avail) == DECODE_INVALID :
				  decode_is_no_pause(&d)) {
		memcpy(other, bytes, avail);
		used = other;
		status = parse_alias(decoder, &ctx, other, avail, &d);
	}
	if (ZYAN_FAILED(status))
		return decode_failure(bytes, avail, code_size, result_of(status, avail));
	if (decode_is_undefined(&d))
		return decode_failure(bytes, avail, code_size, DECODE_INVALID);
	memset(in, 0, sizeof(*in));
	decode_operands(&d, in);
	if (decode_cuts_rip(&d))
		in->osz = 2;
	if (!decode_handler(&d, in))
		decode_native(native, decoder, &ctx, &d, used, in);
	if (in->op == op_ud)
		result = decode_failure(bytes, avail, code_size, DECODE_INVALID);
	return result == DECODE_INVALID ? DECODE_OK : result;
}
