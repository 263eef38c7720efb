/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_TESTS_SILICON_UNDEFINED_H
#define ANYKVM_TESTS_SILICON_UNDEFINED_H

#include <stdint.h>

#include <Zydis/Zydis.h>

/* The flags that @zi may leave undefined. */
uint32_t undefined_flags(const ZydisDecodedInstruction *zi);

#endif
