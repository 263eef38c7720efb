/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables, the least that tells of the CPUs and how to power off:
 * RSDP and RSDT; FADT and its DSDT; MADT.
 */
#include <string.h>

#include "boot.h"

#define HEADER	36

static uint8_t *acpi_end;

static void put(uint8_t *at, int size, uint32_t value)
{
	memcpy(at, &value, size);
}

/* Adds bytes that sum up to 0. */
static void seal(uint8_t *table, int size, int checksum)
{
	uint8_t sum = 0;

	table[checksum] = 0;
	for (int i = 0; i < size; i++)
		sum += table[i];
	table[checksum] = -sum;
}

static uint8_t *begin_table(const char *name, int revision)
{
	uint8_t *table = acpi_end;

	memcpy(table, name, 4);
	table[8] = revision;
	memcpy(table + 10, "ANYKVMEXAMPLE ", 14);
	acpi_end += HEADER;
	return table;
}

/* Returns the table's address in the guest. */
static uint32_t end_table(uint8_t *table)
{
	int size = acpi_end - table;

	put(table + 4, 4, size);
	seal(table, size, 9);
	acpi_end += -size & 15;
	return table - ram;
}

static void add_bytes(const void *bytes, int size)
{
	memcpy(acpi_end, bytes, size);
	acpi_end += size;
}

static uint32_t make_dsdt(void)
{
	/* Name(_S5, Package { 0, 0, 0, 0 }) */
	static const char aml[] = "\x08_S5_\x12\x06\x04\0\0\0";
	uint8_t *table = begin_table("DSDT", 2);

	add_bytes(aml, sizeof(aml));
	return end_table(table);
}

static uint32_t make_fadt(void)
{
	uint32_t dsdt = make_dsdt();
	const struct { uint8_t offset, size; uint32_t value; } fields[] = {
		{ 40, 4, dsdt },
		{ 46, 2, 9 },			/* SCI */
		{ 56, 4, PM1_STATUS }, { 64, 4, PM1_CONTROL },
		{ 88, 1, 4 }, { 89, 1, 2 },	/* sizes of events, control */
		{ 96, 2, 0xffff }, { 98, 2, 0xffff },	/* no C2, C3 */
		{ 109, 2, 0x25 },		/* ISA devices; no 8042, VGA, RTC */
		{ 112, 4, 0x475 },		/* no buttons; there is a reset register: */
		{ 116, 4, 0x01000801 }, { 120, 4, RESET_CONTROL }, { 128, 1, 6 },
	};
	uint8_t *table = begin_table("FACP", 3);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		put(table + fields[i].offset, fields[i].size, fields[i].value);
	acpi_end = table + 244;
	return end_table(table);
}

static uint32_t make_madt(void)
{
	uint8_t ioapic[12] = { 1, sizeof(ioapic) };
	uint8_t *table = begin_table("APIC", 3);

	put(acpi_end, 4, LAPIC);
	put(acpi_end + 4, 4, 1);	/* 8259s as well */
	acpi_end += 8;
	for (int id = 0; id < cpus; id++) {
		const uint8_t cpu[8] = { 0, sizeof(cpu), id, id, 1, 0, 0, 0 };

		add_bytes(cpu, sizeof(cpu));
	}
	put(ioapic + 4, 4, IOAPIC);	/* pin N is GSI N, IRQ 0 included: KVM's default routes */
	add_bytes(ioapic, sizeof(ioapic));
	return end_table(table);
}

void make_acpi(void)
{
	uint8_t *rsdp = ram + ACPI;
	uint8_t *rsdt;
	uint32_t tables[2];

	acpi_end = rsdp + 32;
	tables[0] = make_fadt();
	tables[1] = make_madt();
	rsdt = begin_table("RSDT", 1);
	add_bytes(tables, sizeof(tables));
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "ANYKVM", 6);
	put(rsdp + 16, 4, end_table(rsdt));
	seal(rsdp, 20, 8);
}
