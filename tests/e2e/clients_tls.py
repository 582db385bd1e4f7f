# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients that speak FTP over TLS, with whatever certificate the server has."""
import ftplib
import ssl

from .clients import Curl, Lftp


class CurlTls(Curl):
    """Takes any certificate."""

    def _command(self, *words):
        return [*super()._command(*words), "--ssl-reqd", "-k"]

    def size(self, remote):
        """What SIZE says, without a data connection."""
        return self.run(self._command("-I", self._url(remote)))


class LftpTls(Lftp):
    """Its settings stand behind the login, before which it sends nothing."""

    def script(self, commands, seconds=20):
        return super().script(
            "set ftp:ssl-force yes; set ftp:ssl-protect-data yes; "
            f"set ssl:verify-certificate no; {commands}", seconds)


class FtplibTls(ftplib.FTP_TLS):
    """In this process; data connections come from the same address as the session."""

    def __init__(self, source=None):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(context=context, timeout=20,
                         source_address=(source, 0) if source else None)
