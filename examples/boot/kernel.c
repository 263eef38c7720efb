/* SPDX-License-Identifier: MIT */
/* Loads a bzImage and its initrd (Documentation/x86/boot.rst). */
#include <asm/bootparam.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"

#define PARAMS	((struct boot_params *)(ram + BOOT_PARAMS))

static const uint8_t *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	*size = st.st_size;
	map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	return map;
}

/* As high as memory and the kernel allow. */
void load_initrd(const char *path)
{
	struct setup_header *header = &PARAMS->hdr;
	size_t size;
	const uint8_t *image = map_file(path, &size);
	uint64_t end = ram_size - 1 < header->initrd_addr_max ? ram_size : header->initrd_addr_max + 1ul;

	if (size > end || end - size < (uint64_t)header->pref_address + header->init_size)
		errx(1, "%s: does not fit into memory", path);
	header->ramdisk_image = (end - size) & -4096ul;
	header->ramdisk_size = size;
	memcpy(ram + header->ramdisk_image, image, size);
}

void load_kernel(const char *path, const char *cmdline)
{
	size_t size, setup, header_size;
	const uint8_t *image = map_file(path, &size);
	struct boot_params *params = PARAMS;
	struct setup_header *header = &params->hdr;

	if (size < 4096 || memcmp(image + 0x202, "HdrS", 4))
		errx(1, "%s: no bzImage", path);
	header_size = 0x202 + image[0x201] - 0x1f1;
	if (header_size > sizeof(*header))
		header_size = sizeof(*header);
	memcpy(header, image + 0x1f1, header_size);
	if (header->version < 0x020c || !(header->xloadflags & XLF_KERNEL_64))
		errx(1, "%s: no kernel of 64 bits", path);
	setup = (header->setup_sects + 1) * 512;
	if (setup > size || header->pref_address + header->init_size > ram_size ||
	    strlen(cmdline) > header->cmdline_size)
		errx(1, "%s: does not fit into memory, or its command line not into it", path);
	memcpy(ram + KERNEL, image + setup, size - setup);
	strcpy((char *)ram + CMDLINE, cmdline);
	header->cmd_line_ptr = CMDLINE;
	header->type_of_loader = 0xff;
	params->e820_table[0] = (struct boot_e820_entry){ 0, LOW_END, 1 };
	params->e820_table[1] = (struct boot_e820_entry){ KERNEL, ram_size - KERNEL, 1 };
	params->e820_entries = 2;
}
