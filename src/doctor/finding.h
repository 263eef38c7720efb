/* SPDX-License-Identifier: MIT */
/* A cause, told: checks.def has the causes. */
#ifndef ANYKVM_DOCTOR_FINDING_H
#define ANYKVM_DOCTOR_FINDING_H

#include <stdbool.h>

enum check {
	CHECK_OK,
#define CHECK(name, effect, text, fix) CHECK_##name,
#include "doctor/checks.def"
	NR_CHECKS
};

enum effect {
	EFFECT_SOFT,
	EFFECT_REAL,
	EFFECT_PROGRAM,
	EFFECT_LIMIT,
	NR_EFFECTS
};

struct finding {
	enum check check;
	char text[640];
	char fix[320];
};

#define MAX_FINDINGS	32

struct findings {
	struct finding list[MAX_FINDINGS];
	unsigned int n;
};

/* Words the cause; the details stand for the %s of sentence and fix. */
void finding_set(struct finding *f, enum check check, const char *detail,
		 const char *fix_detail);

/* The same, appended to a list, unless it says the same already. */
void finding_add(struct findings *all, enum check check, const char *detail,
		 const char *fix_detail);

enum effect check_effect(enum check check);

/* "kvm-group" of CHECK_KVM_GROUP. */
const char *check_name(enum check check, char name[32]);

bool findings_have(const struct findings *all, enum effect effect);
bool findings_have_check(const struct findings *all, enum check check);

#endif
