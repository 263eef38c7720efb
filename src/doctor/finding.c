/* SPDX-License-Identifier: MIT */
#include "doctor/finding.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum effect effect;
	const char *text, *fix;
} checks[NR_CHECKS] = {
#define CHECK(name, effect, text, fix) \
	[CHECK_##name] = { #name, EFFECT_##effect, text, fix },
#include "doctor/checks.def"
};

static void fill(char *out, size_t size, const char *text, const char *detail)
{
	const char *gap = strstr(text, "%s");
	int before = gap ? (int)(gap - text) : (int)strlen(text);

	snprintf(out, size, "%.*s%s%s", before, text,
		 gap && detail ? detail : "", gap ? gap + 2 : "");
	for (char *c = out; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = ' ';
}

void finding_set(struct finding *f, enum check check, const char *detail,
		 const char *fix_detail)
{
	f->check = check;
	fill(f->text, sizeof(f->text), checks[check].text, detail);
	fill(f->fix, sizeof(f->fix), checks[check].fix, fix_detail);
}

void finding_add(struct findings *all, enum check check, const char *detail,
		 const char *fix_detail)
{
	struct finding *f = &all->list[all->n];

	if (all->n == MAX_FINDINGS)
		return;
	finding_set(f, check, detail, fix_detail);
	for (unsigned int i = 0; i < all->n; i++)
		if (!strcmp(all->list[i].text, f->text))
			return;
	all->n++;
}

enum effect check_effect(enum check check)
{
	return checks[check].effect;
}

const char *check_name(enum check check, char name[32])
{
	const char *from = checks[check].name;
	int i;

	for (i = 0; from[i] && i < 31; i++)
		name[i] = from[i] == '_' ? '-' : (char)tolower(from[i]);
	name[i] = '\0';
	return name;
}

bool findings_have(const struct findings *all, enum effect effect)
{
	for (unsigned int i = 0; i < all->n; i++)
		if (check_effect(all->list[i].check) == effect)
			return true;
	return false;
}

bool findings_have_check(const struct findings *all, enum check check)
{
	for (unsigned int i = 0; i < all->n; i++)
		if (all->list[i].check == check)
			return true;
	return false;
}
