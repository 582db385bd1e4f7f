/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which connection has which number: the generator's and the filler's one idea of it.
 * Shared by BPF programs and tools; knows only the clients' own ends.
 */
#ifndef FLOW_NUMBER_H
#define FLOW_NUMBER_H

#include <linux/types.h>

#define FLOWS_EACH_CLIENT 16384
#define CLIENT_PORT_FIRST 32768
/* The announced ports: every connection has one, many have the same. */
#define DATA_PORTS 8192
#define DATA_PORT_FIRST 20000

/* FTP sessions: the client's ports of control connections, and of data connections; and the
 * ports that are announced, both of whose bytes have three digits. */
#define CONTROL_PORT 21
#define CONTROL_CLIENT_PORT 40000
#define DATA_CLIENT_PORT_FIRST 16384
#define DATA_CLIENT_PORTS 16384
#define DIGITS_FIRST 100
#define DIGITS 156
/* From one round to the next: so that neither port is used again soon. */
#define ROUND_SHIFT 4099

/* Where both sides' streams stand once the connection is open. */
#define CLIENT_SEQUENCE 1000001
#define SERVER_SEQUENCE 2000001

/* 100.64.0.0: of the network of RFC 6598, which has room for four million of them. */
#define CLIENTS_FIRST 0x64400000

/* Of IPv6 they have the same last word: 2001:db8:64::/64. */
#define CLIENTS6_FIRST 0x20010db8
#define CLIENTS6_SECOND 0x00640000

static inline __u32 flow_client(__u32 number)
{
	return CLIENTS_FIRST + 1 + number / FLOWS_EACH_CLIENT;
}

static inline __u16 flow_client_port(__u32 number)
{
	return CLIENT_PORT_FIRST + number % FLOWS_EACH_CLIENT;
}

static inline __u16 flow_data_port(__u32 number)
{
	return DATA_PORT_FIRST + number % DATA_PORTS;
}

/* Of FTP sessions each has a client of its own. */
static inline __u32 session_client(__u32 number)
{
	return CLIENTS_FIRST + 1 + number;
}

static inline __u16 session_data_client_port(__u32 number, __u32 round)
{
	return DATA_CLIENT_PORT_FIRST + (number + round * ROUND_SHIFT) % DATA_CLIENT_PORTS;
}

static inline __u16 session_data_port(__u32 number, __u32 round)
{
	__u32 mixed = (number + round * ROUND_SHIFT) % (DIGITS * DIGITS);

	return (DIGITS_FIRST + mixed / DIGITS) << 8 | (DIGITS_FIRST + mixed % DIGITS);
}

#endif /* FLOW_NUMBER_H */
