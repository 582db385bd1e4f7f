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

/* Where both sides' streams stand once the connection is open. */
#define CLIENT_SEQUENCE 1000001
#define SERVER_SEQUENCE 2000001

/* 198.18.0.0, of the network that RFC 2544 sets apart for measurements. */
#define CLIENTS_FIRST 0xc6120000

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

#endif /* FLOW_NUMBER_H */
