// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The text of --help. It changes together with the manual page and README.md.
 * This file knows nothing but words.
 */
#include "options.h"

#include <stdio.h>

static const char help[] =
	"ftpfix makes passive FTP work through a load balancer that translates addresses.\n"
	"\n"
	"Usage:\n"
	"  ftpfix run --dev IFACE... [options]     attach, serve, and detach when ended\n"
	"  ftpfix set advertise ADDR|dialled       change the address, from the next announcement\n"
	"  ftpfix set data-ports LO-HI             change the range, from the next announcement\n"
	"  ftpfix show [services|sessions|expected|flows|counters] [--json]\n"
	"  ftpfix metrics                          print the Prometheus metrics once\n"
	"  ftpfix --version | --help\n"
	"\n"
	"Options of run (IFACE..., N... and ADDR... take commas, repetition and further words):\n"
	"  --dev IFACE...          uplinks, where control connections are as the client sees them\n"
	"  --server-dev IFACE...   interfaces toward the servers (those that the routes to them "
	"use)\n"
	"  --port N...             control ports, the public and the servers' (21)\n"
	"  --advertise ADDR        address to announce (dialled: the one that the client dialled)\n"
	"  --data-ports LO-HI      public data ports (1024-65535); a port that fits is kept\n"
	"  --server ADDR[/LEN]...  the only servers that may be announced (private ranges, and "
	"the\n"
	"                          host that sent the announcement)\n"
	"  --forward none|nat|fullnat\n"
	"                          who carries the data connections: the network; ftpfix, keeping\n"
	"                          the client's address; ftpfix, from an address of this node "
	"(nat)\n"
	"  --source ADDR           the source address of fullnat (that of the control connection)\n"
	"  --listen ADDR:PORT      where /metrics is served (127.0.0.1:9199)\n"
	"  --attach tcx|clsact     how to attach (tcx where the kernel has it, 6.6 or newer)\n"
	"\n"
	"Option of set, show and metrics:\n"
	"  --dev IFACE             the ftpfix on this interface, where several run\n"
	"\n"
	"Exit status: 0 success, 1 failure, 2 command line at fault. See ftpfix(8).\n";

void options_help(void)
{
	fputs(help, stdout);
}
