// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Fuzzes the reader and the editor with lines: what is read agrees with readers
 * made of sscanf() and inet_pton(), and whatever is written is read back as
 * exactly that, in a line that is otherwise what it was.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ftp_engine.h"
#include "fuzz.h"

struct endpoint {
	struct ftpfix_addr addr;
	__u32 port;
};

static int ends_line(const char *text)
{
	return !strcmp(text, "\r\n") || !strcmp(text, "\n");
}

/* A number of decimal digits, with this conversion for their count. */
static long number_of(const char **text, int most)
{
	char digits[16] = "";
	int length = 0;

	if (most == 3)
		sscanf(*text, "%3[0-9]%n", digits, &length);
	else if (most == 5)
		sscanf(*text, "%5[0-9]%n", digits, &length);
	else
		sscanf(*text, "%12[0-9]%n", digits, &length);
	if (!length || isdigit((*text)[length]))
		return -1;
	*text += length;
	return strtol(digits, NULL, 10);
}

/* So many octets, and what stands between two. Advances text. */
static int octets_of(const char **text, int count, char between, long *octets)
{
	for (int at = 0; at < count; at++) {
		if (at && *(*text)++ != between)
			return -1;
		octets[at] = number_of(text, 3);
		if (octets[at] < 0 || octets[at] > 255)
			return -1;
	}
	return **text == between ? -1 : 0;
}

static void set_ipv4(struct endpoint *endpoint, const long *octets)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld.%ld.%ld.%ld", octets[0], octets[1], octets[2], octets[3]);
	endpoint->addr = addr_of(text);
}

static int reference_six(const char **text, struct endpoint *endpoint)
{
	long octets[6];

	if (octets_of(text, 6, ',', octets))
		return -EBADMSG;
	set_ipv4(endpoint, octets);
	endpoint->port = octets[4] * 256 + octets[5];
	return 0;
}

static int reference_227(const char *text, struct endpoint *endpoint)
{
	const char *at = text + 4, *parenthesis, *space = NULL;

	for (parenthesis = at; *parenthesis; parenthesis++) {
		if (parenthesis > text + 4 && parenthesis[-1] == '(' && isdigit(*parenthesis))
			break;
		if (!space && parenthesis[-1] == ' ' && isdigit(*parenthesis))
			space = parenthesis;
	}
	at = *parenthesis ? parenthesis : space;
	if (!at || reference_six(&at, endpoint))
		return -EBADMSG;
	return *parenthesis && *at != ')' ? -EBADMSG : 0;
}

static int reference_229(const char *text, struct endpoint *endpoint)
{
	const char *at = strchr(text + 4, '(');
	long port;

	if (!at || !isgraph(at[1]) || isdigit(at[1]) || at[2] != at[1] || at[3] != at[1])
		return -EBADMSG;
	text = at + 4;
	port = number_of(&text, 5);
	if (port < 0 || port > 65535 || text[0] != at[1] || text[1] != ')')
		return -EBADMSG;
	endpoint->port = port;
	return 0;
}

static int reference_eprt(const char *text, struct endpoint *endpoint)
{
	char delimiter = *text, address[64] = "";
	const char *end;
	int ipv6 = text[1] == '2';
	long port, octets[4];

	if (!isgraph(delimiter) || isdigit(delimiter) || delimiter == '.' ||
	    (ipv6 && (isxdigit(delimiter) || delimiter == ':')) || (text[1] != '1' && !ipv6) ||
	    text[2] != delimiter)
		return -EBADMSG;
	text += 3;
	end = strchr(text, delimiter);
	if (!end || end - text >= (int)sizeof(address))
		return -EBADMSG;
	memcpy(address, text, end - text);
	text = address;
	if (ipv6) {
		if (inet_pton(AF_INET6, address, &endpoint->addr) != 1)
			return -EBADMSG;
	} else {
		if (octets_of(&text, 4, '.', octets) || *text)
			return -EBADMSG;
		set_ipv4(endpoint, octets);
	}
	text = end + 1;
	port = number_of(&text, 12);
	endpoint->port = port;
	return port < 0 || port > 65535 || *text != delimiter || !ends_line(text + 1) ? -EBADMSG
										      : 0;
}

static int reference_host(const char *text, struct endpoint *endpoint)
{
	const char *end = strchr(text, ']');
	char address[64] = "";
	long octets[4];

	if (*text == '[') {
		if (!end || !ends_line(end + 1) || end - text > (int)sizeof(address))
			return -EBADMSG;
		memcpy(address, text + 1, end - text - 1);
		return inet_pton(AF_INET6, address, &endpoint->addr) == 1 ? 0 : -EBADMSG;
	}
	if (*text == '\r' || *text == '\n')
		return -EBADMSG;
	if (octets_of(&text, 4, '.', octets) || !ends_line(text))
		return -ENOENT;
	set_ipv4(endpoint, octets);
	return 0;
}

/* Reads a whole line that ends in a newline. */
static int reference(enum ftp_kind kind, const char *text, struct endpoint *endpoint)
{
	const char *argument = text + 4 + strspn(text + 4, " ");

	memset(endpoint, 0, sizeof(*endpoint));
	if (kind == FTP_227)
		return reference_227(text, endpoint);
	if (kind == FTP_229)
		return reference_229(text, endpoint);
	if (kind == FTP_EPRT)
		return reference_eprt(argument, endpoint);
	if (kind == FTP_HOST)
		return reference_host(argument, endpoint);
	if (reference_six(&argument, endpoint) || !ends_line(argument))
		return -EBADMSG;
	return 0;
}

static struct endpoint random_endpoint(void)
{
	static const __u8 octets[] = {0, 1, 9, 10, 99, 100, 254, 255};
	struct endpoint endpoint = {.port = fuzz_random() % 65536};
	__u8 *bytes = (__u8 *)&endpoint.addr;
	int ipv6 = fuzz_random() & 1;

	if (fuzz_random() & 1)
		endpoint.port >>= fuzz_random() % 16;
	for (int at = 0; at < 16; at += 2) {
		__u32 group = fuzz_random() & 1 ? 0 : (fuzz_random() & 65535) >> fuzz_random() % 16;

		bytes[at] = ipv6 ? group >> 8 : 0;
		bytes[at + 1] = ipv6 ? group : 0;
	}
	if (ipv6)
		return endpoint;
	bytes[10] = bytes[11] = 255;
	for (int at = 12; at < 16; at++)
		bytes[at] = octets[fuzz_random() % sizeof(octets)];
	return endpoint;
}

/* The line as the engine reads it again, in memory of its own length. */
static int read_again(enum ftp_kind kind, const char *text, size_t length,
		      struct endpoint *endpoint)
{
	struct ftp_announcement line = {.kind = kind, .complete = 1, .length = length};
	int err;

	memset(line.text, '1', sizeof(line.text));
	memcpy(line.text, text, length);
	err = ftp_read(&line);
	endpoint->addr = line.addr;
	endpoint->port = line.host_port;
	return err;
}

/* One endpoint into the line, in one room. */
static void check_edit(const struct ftp_announcement *line, const char *text,
		       const struct endpoint *endpoint, __u32 room)
{
	int digits = ftp_edit_digits(line, &endpoint->addr, room);
	int impossible =
		!addr_is_ipv4(&endpoint->addr) && (line->kind == FTP_227 || line->kind == FTP_PORT);
	char result[3 * FTPFIX_LINE_MAX];
	struct endpoint again;
	struct ftp_edit edit;

	if (impossible)
		require(digits == -ENOSPC);
	if (digits < 0 || !ftp_edit_fits(line, digits, endpoint->port)) {
		/* Any length does, but for a delimiter that can stand in an address. */
		require(room != FTP_ROOM_ADJUST || impossible ||
			(line->kind == FTP_EPRT && isxdigit(line->text[line->first - 1])) ||
			(line->kind == FTP_EPRT && line->text[line->first - 1] == ':'));
		return;
	}
	memset(&edit, '7', sizeof(edit));
	require(!ftp_edit(line, &endpoint->addr, endpoint->port, room, &edit));
	require(edit.length <= sizeof(edit.text));
	require(edit.offset >= FTP_TEXT_START && edit.offset + edit.removed <= line->length);
	if (room != FTP_ROOM_ADJUST)
		require(edit.length == edit.removed);
	else
		require(edit.offset == line->first && edit.removed == line->last - line->first);
	edit_apply(text, &edit, result);
	require(strlen(result) == strlen(text) - edit.removed + edit.length);
	if (strlen(result) > FTPFIX_LINE_MAX)
		return;
	require(!read_again(line->kind, result, strlen(result), &again));
	if (line->kind != FTP_HOST)
		require(again.port == endpoint->port);
	if (line->kind != FTP_229)
		require(addr_equal(&again.addr, &endpoint->addr));
}

static void check_line(enum ftp_kind kind, const char *text, size_t length)
{
	struct ftp_announcement line = announcement_of(kind, text, 1), start;
	struct endpoint expected;
	int err = ftp_read(&line);

	require(err == reference(kind, text, &expected));
	if (!err) {
		require(addr_equal(&line.addr, &expected.addr));
		require(line.host_port == expected.port);
	}
	/* Of a line's beginning no other endpoint is read. */
	for (size_t at = FTP_TEXT_START; at < length; at++) {
		start = announcement_of(kind, text, 0);
		start.length = at;
		memset(start.text + at, '1', sizeof(start.text) - at);
		if (ftp_read(&start) == 0)
			require(!err && start.host_port == line.host_port &&
				addr_equal(&start.addr, &line.addr));
		else
			require(ftp_read(&start) == -EAGAIN);
	}
	if (err)
		return;
	for (int round = 0; round < 8; round++) {
		struct endpoint endpoint = random_endpoint();

		for (__u32 room = 0; room < FTP_ROOM_COUNT; room++)
			check_edit(&line, text, &endpoint, room);
	}
	/* What stands there already can be written in its place. */
	check_edit(&line, text, &expected, FTP_ROOM_ADJUST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_seed(data, size);
	while (size) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t length = newline ? (size_t)(newline - data) + 1 : size;
		struct ftp_scan scan = {.column = length};
		char text[FTPFIX_LINE_MAX + 1] = {};
		enum ftp_kind kind;

		if (!newline)
			return 0;
		if (length <= FTPFIX_LINE_MAX && !memchr(data, 0, length)) {
			memcpy(text, data, length);
			memcpy(scan.line, data, length);
			kind = ftp_scan_reply_kind(&scan) ? ftp_scan_reply_kind(&scan)
							  : ftp_scan_command_kind(&scan);
			if (kind)
				check_line(kind, text, length);
		}
		data += length;
		size -= length;
	}
	return 0;
}
