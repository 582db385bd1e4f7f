#!/usr/bin/env php
<?php
// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// One transfer with PHP's ftp extension:
//   transfer.php ADDRESS PORT USER PASSWORD VERB get|put|list NAME…
[, $address, $port, $user, $password, $verb, $action, $name] = $argv;

function must($done, string $what)
{
	if ($done === false) {
		fwrite(STDERR, "$what failed\n");
		exit(1);
	}
	return $done;
}

$ftp = must(ftp_connect($address, (int)$port, 5), 'connect');
must(ftp_login($ftp, $user, $password), 'login');
must(ftp_pasv($ftp, in_array($verb, ['PASV', 'EPSV'])), 'mode');
if ($action === 'get') {
	must(ftp_get($ftp, $argv[8], $name), 'get');
} elseif ($action === 'put') {
	must(ftp_put($ftp, $argv[8], $name), 'put');
} else {
	print(implode("\n", must(ftp_rawlist($ftp, $name), 'list')) . "\n");
}
ftp_close($ftp);
