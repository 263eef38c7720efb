/* SPDX-License-Identifier: MIT */
/* The file that the engine will append to. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher.h"
#include "watch/output_path.h"

void output_check(void)
{
	const char *pattern = getenv("ANYKVM_OUTPUT");
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!pattern || !*pattern)
		return;
	if (!output_path(path, sizeof(path), pattern))
		fail(EXIT_ANYKVM, "output '%s': only %%p, the pid, and %%%% are known, "
		     "and %d bytes", pattern, PATH_MAX);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		fail(EXIT_ANYKVM, "cannot write '%s': %s", path, strerror(errno));
	/* Under another anykvm it is that one's, too. */
	if (!preload_is_there() && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    ftruncate(fd, 0))
		fail(EXIT_ANYKVM, "cannot empty '%s': %s", path, strerror(errno));
	close(fd);
}
