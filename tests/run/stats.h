/* SPDX-License-Identifier: MIT */
/* Numbers of KVM_GET_STATS_FD (api.rst 4.133) by name. */
#ifndef ANYKVM_TESTS_RUN_STATS_H
#define ANYKVM_TESTS_RUN_STATS_H

#include "guest.h"

/* Reads one number of a statistics descriptor. */
static inline u64 number(int stats, const char *name)
{
	struct kvm_stats_header h;
	char buf[128];
	struct kvm_stats_desc *d = (void *)buf;
	size_t size = sizeof(*d);
	u64 v;

	assert_int_equal(pread(stats, &h, sizeof(h), 0), sizeof(h));
	size += h.name_size;
	for (u32 i = 0; i < h.num_desc; i++) {
		assert_int_equal(pread(stats, buf, size, h.desc_offset + i * size), size);
		if (strcmp(d->name, name))
			continue;
		assert_int_equal(pread(stats, &v, 8, h.data_offset + d->offset), 8);
		return v;
	}
	fail_msg("no statistic %s", name);
	return 0;
}

#endif
