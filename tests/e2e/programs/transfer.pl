#!/usr/bin/env perl
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# One transfer with Net::FTP:
#   transfer.pl ADDRESS PORT USER PASSWORD VERB get|put|list NAME…
use strict;
use warnings;
use Net::FTP;

my ($address, $port, $user, $password, $verb, $action, @names) = @ARGV;
my $ftp = Net::FTP->new($address, Port => $port, Timeout => 5, Debug => 1,
	Passive => $verb eq 'PASV' || $verb eq 'EPSV') or die "connect: $@\n";
sub must { my $done = shift; die $ftp->message unless defined $done; return $done; }

# By itself it sends PORT over IPv4.
if ($verb eq 'EPRT') {
	no warnings 'redefine';
	*Net::FTP::port = \&Net::FTP::eprt;
}
must($ftp->login($user, $password) || undef);
must($ftp->binary);
if ($action eq 'get') {
	must($ftp->get(@names));
} elsif ($action eq 'put') {
	must($ftp->put(@names));
} else {
	print "$_\n" for $ftp->dir(@names);
}
$ftp->quit;
