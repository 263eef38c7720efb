/* SPDX-License-Identifier: MIT */
/*
 * What an instruction is depends on its bytes up to displacement and immediate,
 * and so does how these two enter into struct insn.  The latter is found out by
 * decoding a second one with others; what the two have not in common otherwise
 * is no shape.  Nor are thunks, which are made for one instruction each.
 */
#include "x86/decode/shape.h"

#include <string.h>

#include "x86/decode/decode.h"

enum {
	KEY_BYTES	= 7,
	INSN_FIELDS	= offsetof(struct insn, end) + 1,	/* bytes of them */
	CODE_SIZE	= 8,	/* 64-bit code only: others are few */
};

static u64 zero_extended(const u8 *p, u8 size)
{
	u64 v = 0;

	memcpy(&v, p, size);
	return v;
}

static u64 extended(const u8 *p, u8 size, bool sign)
{
	u64 v = zero_extended(p, size);
	u32 unused = 64 - size * 8;

	return sign && size ? (u64)((s64)(v << unused) >> unused) : v;
}

/* By ModRM and SIB, the last of @head bytes. */
static u8 disp_size(const u8 *bytes, u32 head, u32 modrm)
{
	switch (bytes[modrm] >> 6) {
	case 0:
		return (bytes[head - 1] & 7) == 5 ? 4 : 0;
	case 1:
		return 1;
	case 2:
		return 4;
	default:
		return 0;
	}
}

static bool is_imm_size(u32 n)
{
	return n <= 8 && (n & (n - 1)) == 0;
}

/* What is behind the first @head bytes of @in; false if that is not known. */
static bool lay_out(struct shape *s, const u8 *bytes, u32 head, u32 modrm,
		    const struct insn *in)
{
	s->disp = modrm ? disp_size(bytes, head, modrm) : 0;
	if (in->len < head + s->disp || !is_imm_size(in->len - head - s->disp))
		return false;
	s->imm = in->len - head - s->disp;
	return true;
}

/* From the insn of @bytes to what all of the shape have; @p: behind the head. */
static struct insn common(const struct insn *in, const struct shape *s, const u8 *p)
{
	struct insn c = *in;

	c.disp = (u32)c.disp - (u32)extended(p, s->disp, true);
	c.imm -= extended(p + s->disp, s->imm, s->sign);
	return c;
}

static bool fits(struct shape *s, bool sign, const struct insn *a, const u8 *a_rest,
		 const struct insn *b, const u8 *b_rest)
{
	struct insn other;

	s->sign = sign;
	s->insn = common(a, s, a_rest);
	other = common(b, s, b_rest);
	return !memcmp(&s->insn, &other, INSN_FIELDS);
}

static u64 key_of(const u8 *bytes, u32 head)
{
	return zero_extended(bytes, head) | (u64)head << 56;
}

/* @in, of @bytes, is the first of its shape. */
static void learn(struct shape *s, struct native *native, const u8 *bytes, u32 head,
		  u32 modrm, const struct insn *in)
{
	u8 other[INSN_MAX_BYTES];
	struct insn second;

	s->key = 0;
	if (in->aux || in->op == op_ud || !lay_out(s, bytes, head, modrm, in))
		return;
	memcpy(other, bytes, in->len);
	for (u32 i = head; i < in->len; i++)
		other[i] ^= 0xda;	/* of either sign */
	if (decode_insn(native, other, in->len, CODE_SIZE, &second) == DECODE_OK &&
	    (fits(s, true, in, bytes + head, &second, other + head) ||
	     fits(s, false, in, bytes + head, &second, other + head)))
		s->key = key_of(bytes, head);
}

static void apply(const struct shape *s, const u8 *rest, struct insn *in)
{
	*in = s->insn;
	in->disp = (u32)in->disp + (u32)extended(rest, s->disp, true);
	in->imm += extended(rest + s->disp, s->imm, s->sign);
}

enum decode_result shape_decode(struct shape *shapes, struct native *native,
				const u8 *bytes, unsigned int avail, u8 code_size,
				struct insn *in)
{
	u32 modrm, head = 0;
	enum decode_result r;
	struct shape *s;
	u64 key;

	if (code_size == CODE_SIZE)
		head = decode_head(bytes, avail, code_size, &modrm);
	if (!head || head > KEY_BYTES)
		return decode_insn(native, bytes, avail, code_size, in);
	key = key_of(bytes, head);
	s = &shapes[key * 0x9e3779b97f4a7c15ull >> (64 - SHAPE_BITS)];
	if (s->key == key && s->insn.len <= avail) {
		apply(s, bytes + head, in);
		return DECODE_OK;
	}
	r = decode_insn(native, bytes, avail, code_size, in);
	if (r == DECODE_OK)
		learn(s, native, bytes, head, modrm, in);
	return r;
}
