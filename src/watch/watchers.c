/* SPDX-License-Identifier: MIT */
/* Who watches: each looks at its variable and adds itself, or does not. */
#include "watch/check/check.h"
#include "watch/stats/stats.h"
#include "watch/trace/watcher.h"
#include "watch/watch.h"

void watch_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	trace_init();
	stats_init();
	check_init();
}
