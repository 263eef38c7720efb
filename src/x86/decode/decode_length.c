// SPDX-License-Identifier: MIT
/*
 * The length of what is no instruction.  An AMD processor fetches all of it
 * before it raises #UD, so the page fault of its last byte and the #GP of more
 * than 15 come first.  What Zydis gives up on early is measured here; the
 * tables are those of APM vol. 3 appendix A, holes filled in from silicon.
 */
#include "x86/decode/decode.h"

enum layout {
	N,	/* nothing after the opcode */
	M,	/* ModRM */
	R,	/* ModRM without a memory form */
	B,	/* immediate byte */
	Z,	/* immediate of 2 or 4 bytes by operand size */
	V,	/* of 2, 4 or 8 */
	W,	/* of 2 */
	E,	/* ENTER: of 2 and of 1 */
	O,	/* offset by address size */
	F,	/* far pointer */
	MB,	/* ModRM and immediate byte */
	MZ,
	M2,	/* 78: ModRM and two immediate bytes, as EXTRQ has */
	MD,	/* 4 bytes, whatever the operand size */
	TB,	/* TEST of group 3: immediate with /0 and /1 alone */
	TZ,
};

static const u8 one_byte[256] = {
#define ALU	M, M, M, M, B, Z, N, N
#define N8	N, N, N, N, N, N, N, N
#define M8	M, M, M, M, M, M, M, M
#define R4	R, R, R, R
	ALU, ALU, ALU, ALU, ALU, ALU, ALU, ALU,
	N8, N8, N8, N8,
	N, N, M, M, N, N, N, N, Z, MZ, B, MB, N, N, N, N,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	MB, MZ, MB, MB, M, M, M, M, M8,
	N8, N, N, F, N, N, N, N, N,
	O, O, O, O, N, N, N, N, B, Z, N, N, N, N, N, N,
	B, B, B, B, B, B, B, B, V, V, V, V, V, V, V, V,
	MB, MB, W, N, M, M, MB, MZ, E, N, W, N, N, B, N, N,
	M, M, M, M, B, B, N, N, M8,
	B, B, B, B, B, B, B, B, Z, Z, F, B, N, N, N, N,
	N, N, N, N, N, N, TB, TZ, N, N, N, N, N, N, M, M,
};

static const u8 map_0f[256] = {
	M, M, M, M, N, N, N, N, N, N, N, N, N, M, N, MB,
	M8, M8,
	R4, N, N, N, N, M8,
	N8, N8,		/* 38 and 3A are maps of their own */
	M8, M8,
	M8, M8,
	M8, M8,
	MB, MB, MB, MB, M, M, M, N, M2, M, N, N, M, M, M, M,
	Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z,
	M8, M8,
	N, N, N, M, MB, M, N, N, N, N, N, M, MB, M, M, M,
	M8, M, N, MB, M, M, M, M, M,
	M, M, MB, M, MB, MB, MB, M, N8,
	M8, M8,
	M8, M8,
	M8, M, M, M, M, M, M, M, N,
};

enum { REX_W = BIT(3) };

struct reader {
	const u8 *bytes;
	u32 at, avail;
	u8 code_size, osz, asz;
	u8 rex;			/* right before the opcode, or 0 */
};

/* Zeros beyond the last byte: what is missing shows in the length. */
static u8 peek(const struct reader *r, u32 ahead)
{
	return r->at + ahead < r->avail ? r->bytes[r->at + ahead] : 0;
}

static void read_prefixes(struct reader *r)
{
	bool narrow = false, other = false;

	for (; r->at < r->avail && decode_is_prefix(peek(r, 0), r->code_size); r->at++) {
		u8 byte = peek(r, 0);

		narrow |= byte == 0x66;
		other |= byte == 0x67;
		r->rex = (byte & 0xf0) == 0x40 ? byte : 0;
	}
	r->osz = (r->code_size == 2) != narrow && !(r->rex & REX_W) ? 2 : 4;
	r->asz = r->code_size == 8 ? (other ? 4 : 8) : (r->code_size == 2) != other ? 2 : 4;
}

static u32 displacement16(u8 modrm)
{
	switch (modrm >> 6) {
	case 0: return (modrm & 7) == 6 ? 2 : 0;
	case 1: return 1;
	default: return 2;
	}
}

/* ModRM, SIB and displacement. */
static u32 modrm_length(const struct reader *r)
{
	u8 modrm = peek(r, 0), base = modrm & 7;
	u32 sib = base == 4;

	if (modrm >> 6 == 3)
		return 1;
	if (r->asz == 2)
		return 1 + displacement16(modrm);
	if (sib)
		base = peek(r, 1) & 7;
	switch (modrm >> 6) {
	case 0: return 1 + sib + (base == 5 ? 4 : 0);
	case 1: return 1 + sib + 1;
	default: return 1 + sib + 4;
	}
}

static u32 rest_length(const struct reader *r, enum layout layout)
{
	bool test = r->at < r->avail && !(peek(r, 0) & 0x30);

	switch (layout) {
	case N: return 0;
	case M: return modrm_length(r);
	case R: return 1;
	case B: return 1;
	case Z: return r->osz;
	case V: return r->rex & REX_W ? 8 : r->osz;
	case W: return 2;
	case E: return 3;
	case O: return r->asz;
	case F: return 2 + r->osz;
	case MB: return modrm_length(r) + 1;
	case MZ: return modrm_length(r) + r->osz;
	case M2: return modrm_length(r) + 2;
	case MD: return modrm_length(r) + 4;
	case TB: return modrm_length(r) + test;
	default: return modrm_length(r) + (test ? r->osz : 0);
	}
}

/* -- Opcode maps --------------------------------------------------------------------- */

static enum layout legacy(struct reader *r)
{
	u8 opcode = peek(r, 0);

	r->at++;
	if (opcode != 0x0f)
		return one_byte[opcode];
	opcode = peek(r, 0);
	r->at++;
	if (opcode == 0x38 || opcode == 0x3a) {
		r->at++;
		return opcode == 0x38 ? M : MB;
	}
	return map_0f[opcode];
}

/* Map 5 of EVEX is laid out as map 1, 7 as 3; other maps have ModRM alone. */
static enum layout vector(struct reader *r, u32 prefix, u8 map, bool evex)
{
	u8 opcode = peek(r, prefix);

	r->at += prefix + 1;
	r->osz = 4;
	if (map == 3 || (evex && map == 7))
		return MB;
	if (map != 1 && !(evex && map == 5))
		return M;
	if (evex && (opcode == 0x78 || opcode == 0x7a || opcode == 0x7b))
		return M;
	return map_0f[opcode];
}

/* Zen has no XOP any more, and of its immediates only those of map 10. */
static enum layout xop(struct reader *r)
{
	u8 map = peek(r, 1) & 0x1f;

	r->at += 4;
	return map == 10 ? MD : M;
}

/* C4, C5, 62: LES, LDS and BOUND of memory, but not in 64-bit code. */
static bool is_vector(const struct reader *r)
{
	return r->code_size == 8 || peek(r, 1) >= 0xc0;
}

/* After REX they are what they were before there was VEX. */
static enum layout layout_of(struct reader *r)
{
	if (r->rex)
		return legacy(r);
	switch (peek(r, 0)) {
	case 0xc5:
		return is_vector(r) ? vector(r, 2, 1, false) : legacy(r);
	case 0xc4:
		return is_vector(r) ? vector(r, 3, peek(r, 1) & 0x1f, false) : legacy(r);
	case 0x62:
		return is_vector(r) ? vector(r, 4, peek(r, 1) & 7, true) : legacy(r);
	case 0x8f:
		return peek(r, 1) & 0x38 ? xop(r) : legacy(r);
	default:
		return legacy(r);
	}
}

u32 decode_length(const u8 *bytes, u32 avail, u8 code_size)
{
	struct reader r = { .bytes = bytes, .avail = avail, .code_size = code_size };
	enum layout layout;

	read_prefixes(&r);
	layout = layout_of(&r);
	return r.at + rest_length(&r, layout);
}

/* Layouts with ModRM. */
static bool has_modrm(enum layout layout)
{
	switch (layout) {
	case M: case R: case MB: case MZ: case M2: case MD: case TB: case TZ:
		return true;
	default:
		return false;
	}
}

u32 decode_head(const u8 *bytes, u32 avail, u8 code_size, u32 *modrm)
{
	struct reader r = { .bytes = bytes, .avail = avail, .code_size = code_size };

	read_prefixes(&r);
	if (!r.rex && peek(&r, 0) >= 0x62 &&
	    (peek(&r, 0) == 0x62 || (peek(&r, 0) & 0xfe) == 0xc4 || peek(&r, 0) == 0x8f))
		return 0;
	*modrm = 0;
	if (has_modrm(legacy(&r))) {
		u8 byte = peek(&r, 0);

		*modrm = r.at;
		r.at += 1 + (r.asz != 2 && byte >> 6 != 3 && (byte & 7) == 4);
	}
	return r.at <= avail ? r.at : 0;
}
