/* SPDX-License-Identifier: MIT */
/*
 * LZ77 with a hash of four bytes: packs a text and unpacks it.  A packed
 * stream is literals (their number first, 0 to 255) and matches in turns: a
 * match is its length, 0 for none, and its distance in two bytes.
 */
#include <string.h>

#include "workload.h"

enum { TEXT = 512 << 10, HASHES = 1 << 13, MATCH_MIN = 4, MATCH_MAX = 255, DISTANCE_MAX = 65535 };

static u8 text[TEXT], packed[2 * TEXT], unpacked[TEXT];
static int last_seen[HASHES];

/* Words of a small vocabulary: packs to a third or so. */
static void compress_setup(void)
{
	static const char *const words[] = {
		"guest ", "host ", "page ", "the ", "of ", "a ", "interrupt ", "vector ",
		"table", "s ", "is ", "not ", "present", ". ", "\n", "descriptor ",
	};
	u64 seed = RANDOM_SEED;
	size_t n = 0;

	while (n < TEXT) {
		u64 r = random_next(&seed) >> 20;
		const char *word = words[r % 16];

		if (r >> 4 & 7) {
			for (; *word && n < TEXT; word++)
				text[n++] = (u8)*word;
		} else {
			text[n++] = (u8)(r >> 8);
		}
	}
}

static u32 hash4(const u8 *p)
{
	u32 v;

	memcpy(&v, p, 4);
	return (v * 2654435761u) >> 19;
}

static int match_length(int at, int before)
{
	int n = 0;

	while (n < MATCH_MAX && at + n < TEXT && text[at + n] == text[before + n])
		n++;
	return n;
}

static int put_literals(int out, int from, int count)
{
	packed[out++] = (u8)count;
	for (int i = 0; i < count; i++)
		packed[out++] = text[from + i];
	return out;
}

static int put_match(int out, int length, int distance)
{
	packed[out++] = (u8)length;
	packed[out++] = (u8)distance;
	packed[out++] = (u8)(distance >> 8);
	return out;
}

static int compress(void)
{
	int out = 0, literals = 0, i = 0;

	for (int h = 0; h < HASHES; h++)
		last_seen[h] = -1;
	while (i < TEXT) {
		int length = 0, before = -1;

		if (i + MATCH_MIN <= TEXT) {
			u32 h = hash4(text + i);

			before = last_seen[h];
			last_seen[h] = i;
		}
		if (before >= 0 && i - before <= DISTANCE_MAX)
			length = match_length(i, before);
		if (length < MATCH_MIN)
			length = 0;
		if (!length && i - literals < 254 && i + 1 < TEXT) {
			i++;
			continue;
		}
		/* A lone literal ends here, or the match begins. */
		out = put_literals(out, literals, i - literals + !length);
		out = put_match(out, length, length ? i - before : 0);
		i += length ? length : 1;
		literals = i;
	}
	return out;
}

static int decompress(int size)
{
	int in = 0, out = 0;

	while (in < size) {
		int count = packed[in++], length, distance;

		for (int i = 0; i < count; i++)
			unpacked[out++] = packed[in++];
		length = packed[in];
		distance = packed[in + 1] | packed[in + 2] << 8;
		in += 3;
		for (int i = 0; i < length; i++, out++)
			unpacked[out] = unpacked[out - distance];
	}
	return out;
}

static u64 compress_unit(void)
{
	u64 sum = MIX_START;
	int size = compress();

	if (decompress(size) != TEXT || memcmp(text, unpacked, TEXT))
		return 0;
	for (int i = 0; i < size; i += 61)
		sum = mix(sum, packed[i]);
	return mix(sum, (u64)size);
}

const struct workload compress_workloads[] = {
	{ "compression", "user", 100, compress_unit, compress_setup },
	{ 0 }
};
