/* SPDX-License-Identifier: MIT */
/* Every prefix, map, opcode and ModRM byte that Zydis takes for an instruction. */
#include <string.h>

#include "instructions.h"

static ZydisDecoder decoders[3];	/* of 16-, 32- and 64-bit code */
static found_fn found;

static void create_decoders(void)
{
	static const struct { ZydisMachineMode mode; ZydisStackWidth stack; } kind[] = {
		{ ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		{ ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		{ ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		ZydisDecoder *d = &decoders[i];

		ZydisDecoderInit(d, kind[i].mode, kind[i].stack);
		/* As decode.c has them: the NOPs they were. */
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	}
}

static void try_in_modes(const u8 *bytes, bool only_64)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction zi;
	u32 i;

	for (i = only_64 ? 2 : 0; i < 3; i++)
		if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[i], bytes, 15, &zi, ops)))
			found(&zi, ops, bytes, 2 << i);
}

/* [register], [register + register] for what needs a SIB byte; all registers. */
static void each_modrm(u8 *b, u32 n, bool only_64, u32 nr_rm)
{
	u32 reg, rm;

	for (reg = 0; reg < 8; reg++) {
		b[n] = reg << 3;
		b[n + 1] = 0;
		try_in_modes(b, only_64);
		b[n] = reg << 3 | 4;
		b[n + 1] = (reg ^ 2) << 3;	/* another register than ModRM.reg and vvvv */
		try_in_modes(b, only_64);
		b[n + 1] = 0;
		for (rm = 0; rm < nr_rm; rm++) {
			b[n] = 0xc0 | reg << 3 | rm;
			try_in_modes(b, only_64);
		}
	}
}

static void legacy_opcode(u32 prefix, bool rex_w, u32 map, u8 opcode)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
	u8 b[24] = { 0 };
	u32 n = 0;

	if (prefix)
		b[n++] = prefixes[prefix];
	if (rex_w)
		b[n++] = 0x48;
	if (map)
		b[n++] = 0x0f;
	if (map > 1)
		b[n++] = map == 2 ? 0x38 : 0x3a;
	b[n++] = opcode;
	each_modrm(b, n, rex_w, 8);
}

static bool is_escape(u32 map, u8 opcode)
{
	return map ? map == 1 && (opcode == 0x38 || opcode == 0x3a) :
		     opcode == 0x0f || decode_is_prefix(opcode, 2);
}

static void legacy_maps(void)
{
	u32 i;

	for (i = 0; i < 4 * 2 * 4 * 256; i++)
		if (!is_escape(i >> 8 & 3, i))
			legacy_opcode(i >> 10 & 3, i >> 12, i >> 8 & 3, i);
}

/* vvvv is all ones where it is no operand, and else no register that others are. */
static void vector_opcode(u8 first, u32 map, u32 wlpp, u8 opcode)
{
	u8 b[24] = { first, 0xe0 | map, (wlpp >> 3) << 7 | 0x78 | (wlpp & 7), opcode };

	each_modrm(b, 4, false, 1);
	b[2] ^= 3 << 3;
	each_modrm(b, 4, false, 1);
}

static void evex_opcode(u32 map, u32 wlpp, u8 opcode)
{
	u8 b[24] = { 0x62, 0xf0 | map, (wlpp >> 3) << 7 | 0x7c | (wlpp & 3),
		     (wlpp >> 2 & 1) << 6 | 8 | 1, opcode };

	each_modrm(b, 5, true, 1);
	b[2] ^= 3 << 3;
	each_modrm(b, 5, true, 1);
}

static void vector_maps(void)
{
	u32 map, i;

	for (i = 0; i < 16 * 256; i++) {
		for (map = 1; map <= 3; map++)
			vector_opcode(0xc4, map, i >> 8, i);
		for (map = 8; map <= 10; map++)
			vector_opcode(0x8f, map, i >> 8, i);
		for (map = 1; map <= 6; map++)
			evex_opcode(map, i >> 8, i);
	}
}

/* Its opcode is the immediate. */
static void amd_3dnow(void)
{
	u8 b[24] = { 0x0f, 0x0f, 0xc1 };
	u32 i;

	for (i = 0; i < 256; i++) {
		b[3] = i;
		try_in_modes(b, true);
	}
}

void encodings_each(found_fn fn)
{
	found = fn;
	create_decoders();
	legacy_maps();
	vector_maps();
	amd_3dnow();
}
