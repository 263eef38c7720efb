// SPDX-License-Identifier: MIT
#include "specs.h"

#define ONE(name, op, digit, imm, flags)	{ name, 0, { op }, 1, digit, imm, flags },
#define TWO(name, op, digit, imm, flags)	{ name, 0, { 0x0f, op }, 2, digit, imm, flags },
#define PRE(name, pre, op, digit, imm, flags)	{ name, pre, { 0x0f, op }, 2, digit, imm, flags },
#define THREE(name, a, op, digit, imm, flags)	{ name, 0, { 0x0f, a, op }, 3, digit, imm, flags },

#define ALU(name, n, lock)				\
	ONE(name, 8 * n, R, 0, BYTE | lock)		\
	ONE(name, 8 * n + 1, R, 0, lock)		\
	ONE(name, 8 * n + 2, R, 0, BYTE)		\
	ONE(name, 8 * n + 3, R, 0, 0)			\
	ONE(name, 8 * n + 4, NO_MODRM, 'b', BYTE)	\
	ONE(name, 8 * n + 5, NO_MODRM, 'z', 0)		\
	ONE(name, 0x80, n, 'b', BYTE | lock)		\
	ONE(name, 0x81, n, 'z', lock)			\
	ONE(name, 0x83, n, 'b', lock)

#define SHIFT(name, n)					\
	ONE(name, 0xc0, n, 'b', BYTE)			\
	ONE(name, 0xc1, n, 'b', 0)			\
	ONE(name, 0xd0, n, 0, BYTE)			\
	ONE(name, 0xd1, n, 0, 0)			\
	ONE(name, 0xd2, n, 0, BYTE)			\
	ONE(name, 0xd3, n, 0, 0)

#define UNARY(name, op, n, lock)			\
	ONE(name, op, n, 0, BYTE | lock)		\
	ONE(name, op + 1, n, 0, lock)

#define BITOP(name, op, n, lock)			\
	TWO(name, op, R, 0, BIT_INDEX | NO_67 | lock)	\
	TWO(name, 0xba, n, 'b', lock)

#define CONDITION(name, cc)				\
	ONE("j" name, 0x70 + cc, NO_MODRM, 'b', BRANCH)	\
	TWO("j" name, 0x80 + cc, NO_MODRM, 'd', BRANCH)	\
	TWO("set" name, 0x90 + cc, 0, 0, BYTE)		\
	TWO("cmov" name, 0x40 + cc, R, 0, 0)

const struct spec specs[] = {
	ALU("add", 0, LOCKABLE) ALU("or", 1, LOCKABLE) ALU("adc", 2, LOCKABLE)
	ALU("sbb", 3, LOCKABLE) ALU("and", 4, LOCKABLE) ALU("sub", 5, LOCKABLE)
	ALU("xor", 6, LOCKABLE) ALU("cmp", 7, 0)
	ONE("test", 0x84, R, 0, BYTE) ONE("test", 0x85, R, 0, 0)
	ONE("test", 0xa8, NO_MODRM, 'b', BYTE) ONE("test", 0xa9, NO_MODRM, 'z', 0)
	ONE("test", 0xf6, 0, 'b', BYTE) ONE("test", 0xf7, 0, 'z', 0)
	ONE("test", 0xf6, 1, 'b', BYTE) ONE("test", 0xf7, 1, 'z', 0)
	UNARY("inc", 0xfe, 0, LOCKABLE) UNARY("dec", 0xfe, 1, LOCKABLE)
	UNARY("not", 0xf6, 2, LOCKABLE) UNARY("neg", 0xf6, 3, LOCKABLE)
	UNARY("mul", 0xf6, 4, 0) UNARY("imul", 0xf6, 5, 0)
	UNARY("div", 0xf6, 6, 0) UNARY("idiv", 0xf6, 7, 0)
	TWO("imul", 0xaf, R, 0, 0) ONE("imul", 0x69, R, 'z', 0) ONE("imul", 0x6b, R, 'b', 0)
	SHIFT("rol", 0) SHIFT("ror", 1) SHIFT("rcl", 2) SHIFT("rcr", 3)
	SHIFT("shl", 4) SHIFT("shr", 5) SHIFT("sal", 6) SHIFT("sar", 7)
	TWO("shld", 0xa4, R, 'b', 0) TWO("shld", 0xa5, R, 0, 0)
	TWO("shrd", 0xac, R, 'b', 0) TWO("shrd", 0xad, R, 0, 0)

	ONE("mov", 0x88, R, 0, BYTE) ONE("mov", 0x89, R, 0, 0)
	ONE("mov", 0x8a, R, 0, BYTE) ONE("mov", 0x8b, R, 0, 0)
	ONE("mov", 0xc6, 0, 'b', BYTE) ONE("mov", 0xc7, 0, 'z', 0)
	ONE("mov", 0xb0, NO_MODRM, 'b', BYTE | PLUS_R) ONE("mov", 0xb8, NO_MODRM, 'v', PLUS_R)
	ONE("mov", 0xa0, NO_MODRM, 'o', BYTE) ONE("mov", 0xa1, NO_MODRM, 'o', 0)
	ONE("mov", 0xa2, NO_MODRM, 'o', BYTE) ONE("mov", 0xa3, NO_MODRM, 'o', 0)
	TWO("movnti", 0xc3, R, 0, MEM_ONLY | ONLY_32_64)
	TWO("movzx", 0xb6, R, 0, 0) TWO("movzx", 0xb7, R, 0, 0)
	TWO("movsx", 0xbe, R, 0, 0) TWO("movsx", 0xbf, R, 0, 0)
	ONE("movsxd", 0x63, R, 0, ONLY_64)
	ONE("lea", 0x8d, R, 0, MEM_ONLY)
	ONE("xchg", 0x86, R, 0, BYTE | LOCKABLE) ONE("xchg", 0x87, R, 0, LOCKABLE)
	ONE("xchg", 0x90, NO_MODRM, 0, PLUS_R)
	TWO("xadd", 0xc0, R, 0, BYTE | LOCKABLE) TWO("xadd", 0xc1, R, 0, LOCKABLE)
	TWO("cmpxchg", 0xb0, R, 0, BYTE | LOCKABLE) TWO("cmpxchg", 0xb1, R, 0, LOCKABLE)
	TWO("cmpxchg8b", 0xc7, 1, 0, MEM_ONLY | LOCKABLE | ONLY_32_64 | ALIGN16)
	BITOP("bt", 0xa3, 4, 0) BITOP("bts", 0xab, 5, LOCKABLE)
	BITOP("btr", 0xb3, 6, LOCKABLE) BITOP("btc", 0xbb, 7, LOCKABLE)
	TWO("bsf", 0xbc, R, 0, 0) TWO("bsr", 0xbd, R, 0, 0)
	PRE("tzcnt", 0xf3, 0xbc, R, 0, 0) PRE("lzcnt", 0xf3, 0xbd, R, 0, 0)
	PRE("popcnt", 0xf3, 0xb8, R, 0, 0)
	TWO("bswap", 0xc8, NO_MODRM, 0, PLUS_R)
	THREE("movbe", 0x38, 0xf0, R, 0, MEM_ONLY) THREE("movbe", 0x38, 0xf1, R, 0, MEM_ONLY)
	ONE("cbw", 0x98, NO_MODRM, 0, 0) ONE("cwd", 0x99, NO_MODRM, 0, 0)
	ONE("xlat", 0xd7, NO_MODRM, 0, XLAT_TABLE | NO_SIZE)
	ONE("clc", 0xf8, NO_MODRM, 0, NO_SIZE) ONE("stc", 0xf9, NO_MODRM, 0, NO_SIZE)
	ONE("cmc", 0xf5, NO_MODRM, 0, NO_SIZE) ONE("cld", 0xfc, NO_MODRM, 0, NO_SIZE)
	ONE("std", 0xfd, NO_MODRM, 0, NO_SIZE) ONE("sahf", 0x9e, NO_MODRM, 0, NO_SIZE)
	ONE("lahf", 0x9f, NO_MODRM, 0, NO_SIZE)
	TWO("nop", 0x1f, 0, 0, 0) TWO("nop", 0x1e, 1, 0, 0) TWO("prefetch", 0x18, 1, 0, MEM_ONLY)
	TWO("ud2", 0x0b, NO_MODRM, 0, NO_SIZE)

	ONE("aaa", 0x37, NO_MODRM, 0, NO_SIZE | ONLY_32) ONE("aas", 0x3f, NO_MODRM, 0, NO_SIZE | ONLY_32)
	ONE("daa", 0x27, NO_MODRM, 0, NO_SIZE | ONLY_32) ONE("das", 0x2f, NO_MODRM, 0, NO_SIZE | ONLY_32)
	ONE("aam", 0xd4, NO_MODRM, 'b', NO_SIZE | ONLY_32) ONE("aad", 0xd5, NO_MODRM, 'b', NO_SIZE | ONLY_32)
	ONE("salc", 0xd6, NO_MODRM, 0, NO_SIZE | ONLY_32)
	ONE("inc", 0x40, NO_MODRM, 0, PLUS_R | ONLY_32) ONE("dec", 0x48, NO_MODRM, 0, PLUS_R | ONLY_32)
	ONE("add", 0x82, 0, 'b', BYTE | ONLY_32) ONE("bound", 0x62, R, 0, MEM_ONLY | ONLY_32)
	ONE("pusha", 0x60, NO_MODRM, 0, STACK | ONLY_32) ONE("popa", 0x61, NO_MODRM, 0, STACK | ONLY_32)
	ONE("push", 0x50, NO_MODRM, 0, PLUS_R | STACK | D64)
	ONE("pop", 0x58, NO_MODRM, 0, PLUS_R | STACK | D64)
	ONE("push", 0x6a, NO_MODRM, 'b', STACK | D64) ONE("push", 0x68, NO_MODRM, 'z', STACK | D64)
	ONE("push", 0xff, 6, 0, STACK | D64) ONE("pop", 0x8f, 0, 0, STACK | D64)
	ONE("enter", 0xc8, NO_MODRM, 'e', STACK | FRAME | D64)
	ONE("leave", 0xc9, NO_MODRM, 0, STACK | FRAME | D64)
	ONE("call", 0xe8, NO_MODRM, 'd', STACK | BRANCH) ONE("jmp", 0xe9, NO_MODRM, 'd', BRANCH)
	ONE("jmp", 0xeb, NO_MODRM, 'b', BRANCH)
	ONE("call", 0xff, 2, 0, STACK | TARGET_RM | NO_SIZE)
	ONE("jmp", 0xff, 4, 0, STACK | TARGET_RM | NO_SIZE)
	ONE("ret", 0xc2, NO_MODRM, 'w', STACK | RETURNS | RET_IMM | NO_SIZE)
	ONE("ret", 0xc3, NO_MODRM, 0, STACK | RETURNS | NO_SIZE)
	ONE("loopne", 0xe0, NO_MODRM, 'b', BRANCH) ONE("loope", 0xe1, NO_MODRM, 'b', BRANCH)
	ONE("loop", 0xe2, NO_MODRM, 'b', BRANCH) ONE("jrcxz", 0xe3, NO_MODRM, 'b', BRANCH)
	CONDITION("o", 0) CONDITION("no", 1) CONDITION("b", 2) CONDITION("nb", 3)
	CONDITION("z", 4) CONDITION("nz", 5) CONDITION("be", 6) CONDITION("nbe", 7)
	CONDITION("s", 8) CONDITION("ns", 9) CONDITION("p", 10) CONDITION("np", 11)
	CONDITION("l", 12) CONDITION("nl", 13) CONDITION("le", 14) CONDITION("nle", 15)
};

const size_t nr_specs = ARRAY_SIZE(specs);
