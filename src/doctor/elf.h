/* SPDX-License-Identifier: MIT */
/* What an ELF file tells about LD_PRELOAD's chances. */
#ifndef ANYKVM_DOCTOR_ELF_H
#define ANYKVM_DOCTOR_ELF_H

#include <stdbool.h>

#include "doctor/finding.h"

/* CHECK_OK, also if the file is not ELF; or *f says what is in the way. */
enum check elf_judge(int fd, struct finding *f);

enum { ELF_NAME_MAX = 64 };

/* The first of the libraries it needs whose name begins with @prefix; or false. */
bool elf_needs(int fd, const char *prefix, char name[ELF_NAME_MAX]);

#endif
