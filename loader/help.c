// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The text of --help. It changes together with the manual page and README.md.
 * This file knows nothing but words.
 */
#include "options.h"

#include <stdio.h>

static const char help[] =
	"ftpfix makes FTP work through load balancers and NAT.\n"
	"\n"
	"Usage:\n"
	"  ftpfix run --dev IFACE... [options]     attach, serve, and detach when ended\n"
	"  ftpfix set advertise RULE...            change the addresses, from the next "
	"announcement\n"
	"  ftpfix set data-ports LO-HI             change the range, from the next announcement\n"
	"  ftpfix show [services|sessions|expected|flows|counters] [--json]\n"
	"  ftpfix metrics                          print the Prometheus metrics once\n"
	"  ftpfix --version | --help\n"
	"\n"
	"Options of run (those with ... take commas, repetition and further words):\n"
	"  --dev IFACE...          uplinks, where connections are as the outside sees them\n"
	"  --server-dev IFACE...   interfaces on the inside, toward the servers, or the clients "
	"with\n"
	"                          --clients inside (those that the routes to them use)\n"
	"  --clients outside|inside\n"
	"                          where the clients are; inside: behind this node's "
	"masquerading,\n"
	"                          so that their active mode works (outside)\n"
	"  --port N...             control ports, the public and the servers' (21)\n"
	"  --advertise RULE...     what is announced to whom (dialled). RULE: [NET=]ADDR,\n"
	"                          [NET=]dialled, [NET=]dev:IFACE or [NET=]dns:NAME; of several\n"
	"                          the one with the longest NET that holds the client\n"
	"  --dns-interval SECONDS  how often dns:NAME is looked up, 5 to 86400 (60)\n"
	"  --data-ports LO-HI      public data ports (1024-65535); a port that fits is kept\n"
	"  --rewrite auto|equal-length|adjust\n"
	"                          how a line is rewritten: at its length where that can be, only\n"
	"                          so, or always as a server would write it (auto)\n"
	"  --server ADDR[/LEN]...  the only servers that may be announced (private ranges, and "
	"the\n"
	"                          host that sent the announcement)\n"
	"  --forward none|nat|fullnat\n"
	"                          who carries the data connections: the network; ftpfix, keeping\n"
	"                          the peer's address; ftpfix, from an address of this node (nat)\n"
	"  --source ADDR...        the source address of fullnat, one for each family (that of "
	"the\n"
	"                          control connection)\n"
	"  --expect-timeout SECONDS\n"
	"                          how long a data connection is waited for, 1 to 3600 (60)\n"
	"  --allow WORD...         rules to lift: unasked, multiline, address, low-port,\n"
	"                          after-epsv-all, foreign; see ftpfix(8) for what each gives up\n"
	"  --fxp                   allow transfers between two servers\n"
	"  --listen ADDR:PORT      where /metrics is served (127.0.0.1:9199); [ADDR]:PORT for "
	"IPv6\n"
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
