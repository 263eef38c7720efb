/* SPDX-License-Identifier: MIT */
/*
 * Random instruction sequences, executed by the host's CPU (host.c) and in a
 * guest by KVM_RUN (vm.c), on the same initial state at the same linear
 * addresses; everything that comes out is compared (compare.c).
 */
#ifndef ANYKVM_TESTS_SILICON_H
#define ANYKVM_TESTS_SILICON_H

#include <stdbool.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

#include "undefined.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* -- The window: 2 MiB of linear addresses, mapped alike on both sides ----------- */

enum {
	PAGE = 4096,
	WINDOW = 0x20000000,
	CODE = WINDOW + 0x10 * PAGE,	/* read and execute; behind it nothing */
	CODE_PAGES = 2,
	DATA = WINDOW + 0x20 * PAGE,
	DATA_PAGES = 7,			/* as data_access[] has it */
	MAX_INSNS = 8,
	MAX_LEN = 15,
};

enum access { ABSENT, READ_ONLY, READ_WRITE };
extern const enum access data_access[DATA_PAGES];
/* The present pages, one behind the other. */
enum { NR_MEM = 4, MEM_BYTES = NR_MEM * PAGE };
u64 mem_address(u32 offset);	/* linear address of a byte of them */

/* -- A case ------------------------------------------------------------------------ */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

enum {
	FLAG_CF = 1, FLAG_PF = 4, FLAG_AF = 0x10, FLAG_ZF = 0x40, FLAG_SF = 0x80,
	FLAG_DF = 0x400, FLAG_OF = 0x800, FLAG_AC = 0x40000,
	FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
	FLAGS_COMPARED = FLAGS_STATUS | FLAG_DF,
};

/* The standard form of XSAVE (SDM vol. 1, 13.4) as far as we use it. */
struct fpu {
	u8 fx[512];
	u64 xstate_bv, header[7];
	u8 ymm_high[16][16];
};
#define FPU_MXCSR	24
#define FPU_ST		32
#define FPU_XMM		160

struct state {
	u64 gpr[16], rip, flags;
	struct fpu fpu;
};

struct insn {
	u8 bytes[MAX_LEN + 1];
	u8 len;
	u8 rel_at, rel_size;	/* an offset from the next instruction; 0: none */
	u8 skip;		/* of a branch: how many it jumps over */
	u64 rel_target;		/* of an address */
	bool vector_operand;	/* of 16 bytes, in memory */
	u32 undefined;		/* flags the sequence so far leaves undefined */
	ZydisMnemonic mnemonic;
};

struct sequence {
	bool wide;		/* 64-bit code; else 32-bit */
	bool user;		/* CPL 3 in the guest; else CPL 0 */
	u32 nr, at;		/* offset in CODE */
	struct insn insn[MAX_INSNS];
	struct state start;
	const u8 *memory;	/* MEM_BYTES */
};

/* Writes the code, with INT3 behind it; its length. */
u32 sequence_layout(const struct sequence *s, u8 *code);
u64 sequence_address(const struct sequence *s, u32 insn);

struct outcome {
	struct state end;
	u32 vector, error;
	u64 cr2;		/* of #PF */
	const u8 *memory;
};

/* -- Random numbers ------------------------------------------------------------------- */

extern u64 seed;
u64 rnd(void);
u32 below(u32 n);
u64 value(void);		/* often one at which carries, signs and sizes change */
void rnd_seed(u64 from, u64 nr);

/* -- Encodings (families.c) ---------------------------------------------------------- */

/* An encoding without its operands: prefix, map, opcode and ModRM.reg. */
struct form {
	u8 vex;			/* 0, or C4 */
	u8 prefix;		/* 66, F3, F2 or 0; of VEX: pp */
	u8 map, opcode;
	u8 modrm;		/* reg and, where it is part of the opcode, rm */
	u8 w, l;
	bool has_modrm, fixed_rm, mem;
	u8 family;
};

extern const char *const family_names[];
extern const u32 nr_families;
#define ALL_FAMILIES	0xff
u32 family_by_name(const char *name);	/* nr_families: none such */

void forms_collect(void);
void forms_list(void);		/* families, sizes of code and bytes, for scripts/docs */
const struct form *form_choose(u32 family, bool wide);
/* Whether it can run as a case: no system instruction, no clock, no branch out. */
bool insn_is_allowed(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops);
const ZydisDecoder *decoder_of(bool wide);

/* -- Generation (generate.c, states.c) -------------------------------------------------- */

void sequence_generate(struct sequence *s, u32 family, bool wide, bool user);
void pool_create(void);
void state_generate(struct state *s, bool wide);
const u8 *pool_memory(void);

/* -- The two sides ----------------------------------------------------------------------- */

bool host_create(void);
void host_run(const struct sequence *s, struct outcome *out);
void ours_create(void);
void ours_run(const struct sequence *s, struct outcome *out);
void ours_destroy(void);

/* -- Comparison --------------------------------------------------------------------------- */

/* What differs, or NULL. */
const char *difference(const struct sequence *s, const struct outcome *host,
		       const struct outcome *guest);
extern bool compare_undefined;	/* flags that are documented as undefined, too */
void print_sequence(const struct sequence *s);
void print_outcomes(const struct sequence *s, const struct outcome *host,
		    const struct outcome *guest);

#endif
