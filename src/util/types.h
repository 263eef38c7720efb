/* SPDX-License-Identifier: MIT */
/* The integer types and address types of the whole engine, named as in KVM. */
#ifndef ANYKVM_UTIL_TYPES_H
#define ANYKVM_UTIL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned __int128 u128;

/* Integers in guest memory: at any address, aliasing anything. */
typedef u8 mem_u8;
typedef u16 mem_u16 __attribute__((aligned(1), may_alias));
typedef u32 mem_u32 __attribute__((aligned(1), may_alias));
typedef u64 mem_u64 __attribute__((aligned(1), may_alias));

typedef u64 gva_t;	/* guest virtual (linear) address */
typedef u64 gpa_t;	/* guest physical address */
typedef u64 gfn_t;	/* guest frame number: gpa >> PAGE_SHIFT */
typedef u64 hva_t;	/* host virtual address, in the VMM's address space */

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1ul << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1u << (n))
#define BIT_ULL(n)	(1ull << (n))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/*
 * One read or write of memory that others change: never torn, never twice.
 * TSan knows of no volatile and is told the same in its own words.
 */
#ifndef __SANITIZE_THREAD__
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#else
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#endif

/*
 * A signal may come while TSan itself is at work, which must not be entered
 * again then: it would wait for a lock of its own.
 */
#define IN_SIGNAL_HANDLER	__attribute__((no_sanitize("thread")))

#endif
