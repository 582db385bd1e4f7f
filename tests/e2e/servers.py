# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real FTP servers, from build/servers or from the machine, with the least
configuration that a test needs. Each announces the address it was dialled at,
as they all do by default: behind a balancer that is the private one. In active
mode they connect from port 20 where they can. Two that are less of a server
stand in servers_small.py."""
import glob
import os
import re
import shutil
import subprocess

from .check import Skipped
from .files import Files

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = os.path.join(TOP, "build", "servers")

ANONYMOUS = ("anonymous", "guest")
TESTER = ("tester", "secret")
# crypt(3) of that password: pure-pw's own hash takes seconds to make.
SECRET_HASH = ("$6$ftpfix$E0jA6itsAWoVLSAmcK2JR1l1unrFNszUFCe10M2/"
               "HNbfFH3nJyuUOOOcM6ezVgT2ZZtbfwDcrFNcoQ8mWnSTC/")
# vsftpd enters the home of the user that it becomes, and nobody's does not exist.
VSFTPD_USER = "daemon"
# All addresses of the machine, by family.
ANY = {4: "0.0.0.0", 6: "::"}


def find_program(server, program):
    """The command that starts an unpacked or an installed program."""
    root = os.path.join(UNPACKED, server)
    for directory in ("usr/sbin", "usr/bin"):
        path = os.path.join(root, directory, program)
        if os.path.exists(path):
            libraries = (glob.glob(f"{root}/usr/lib/*-linux-gnu")
                         + glob.glob(f"{root}/lib/*-linux-gnu"))
            return ["env", f"LD_LIBRARY_PATH={':'.join(libraries)}", path]
    path = shutil.which(program)
    if path is None:
        raise Skipped(f"{program} is neither installed nor in build/servers (tools/servers)")
    return [path]


def listening(namespace, port):
    return bool(namespace.run("ss", "-Hltn", f"sport = :{port}").stdout.strip())


class Server:
    """A running server; `files` is what it offers, `login` who may read it."""

    def __init__(self, world, namespace, name, files, login, command, port):
        self.files = files
        self.login = login
        self.port = port
        self.log = None
        self._world, self._namespace, self._name = world, namespace, name
        self._command = command
        self.start()

    def start(self):
        """At first, and again when it was ended."""
        self.process = self._world.keep(self._namespace.spawn(*self._command, name=self._name))
        self.process.wait_for(lambda: listening(self._namespace, self.port),
                              f"listening on port {self.port}")

    def logged_clients(self):
        """The addresses that the server's own log names; it begins with the first."""
        if not os.path.exists(self.log):
            return set()
        with open(self.log, encoding="utf-8") as file:
            return set(re.findall(r'Client "([^"]+)"', file.read()))


def certificate(world):
    """A file with a self-made certificate and its key."""
    if not shutil.which("openssl"):
        raise Skipped("openssl is not installed")
    path = world.path("certificate.pem")
    if not os.path.exists(path):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=ftp.example.org", "-keyout", path, "-out", f"{path}.crt"],
                       check=True, capture_output=True)
        with open(path, "a", encoding="ascii") as whole, \
                open(f"{path}.crt", encoding="ascii") as part:
            whole.write(part.read())
    return path


def vsftpd(world, namespace, port=21, passive=None, promiscuous=False, family=4, tls=False,
           announced=None):
    """`tls` offers it; `announced` is the address that it announces."""
    command = find_program("vsftpd", "vsftpd")
    name = f"{namespace.role}-vsftpd-{port}"
    files = Files(world, name)
    empty = world.path(f"{name}-empty", "chroot")
    os.makedirs(empty)
    configuration = world.path(f"{name}.conf")
    log = world.path(f"{name}.log")
    low, high = passive or (0, 0)
    secured = f"""\
ssl_enable=YES
allow_anon_ssl=YES
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
rsa_cert_file={certificate(world)}
rsa_private_key_file={certificate(world)}
""" if tls else ""
    own = f"pasv_address={announced}\n" if announced else ""
    with open(configuration, "w", encoding="ascii") as file:
        file.write(f"""\
listen={"YES" if family == 4 else "NO"}
listen_ipv6={"YES" if family == 6 else "NO"}
listen_port={port}
connect_from_port_20={"NO" if promiscuous else "YES"}
background=NO
anonymous_enable=YES
no_anon_password=YES
ftp_username={VSFTPD_USER}
anon_root={files.root}
anon_upload_enable=YES
anon_umask=022
write_enable=YES
secure_chroot_dir={empty}
pasv_min_port={low}
pasv_max_port={high}
pasv_promiscuous={"YES" if promiscuous else "NO"}
port_promiscuous={"YES" if promiscuous else "NO"}
ftpd_banner={namespace.role}
use_localtime=NO
xferlog_enable=YES
vsftpd_log_file={log}
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
{secured}{own}""")
    server = Server(world, namespace, name, files, ANONYMOUS, [*command, configuration], port)
    server.log = log
    return server


def pure_ftpd(world, namespace, port=21, passive=None, family=4):
    command = find_program("pure-ftpd", "pure-ftpd")
    name = f"{namespace.role}-pure-ftpd-{port}"
    files = Files(world, name)
    users = world.path(f"{name}-state", "passwd")
    database = world.path(f"{name}-state", "pdb")
    with open(users, "w", encoding="ascii") as file:
        file.write(f"tester:{SECRET_HASH}:65534:65534::{files.root}/./::::::::::::\n")
    namespace.run(*find_program("pure-ftpd", "pure-pw"), "mkdb", database, "-f", users)
    options = [f"-{family}", "-l", f"puredb:{database}", "-A", "-E", "-H", "-u", "1",
               "-S", str(port),
               "-g", world.path(f"{name}-state", "pid")]
    if passive:
        options += ["-p", f"{passive[0]}:{passive[1]}"]
    return Server(world, namespace, name, files, TESTER,
                  [*command, *options], port)


def proftpd(world, namespace, port=21, passive=None, family=4):
    command = find_program("proftpd", "proftpd")
    name = f"{namespace.role}-proftpd-{port}"
    files = Files(world, name)
    state = os.path.dirname(world.path(f"{name}-state", "pid"))
    configuration = world.path(f"{name}.conf")
    ports = f"PassivePorts {passive[0]} {passive[1]}" if passive else ""
    with open(configuration, "w", encoding="ascii") as file:
        file.write(f"""\
ServerName test
ServerType standalone
DefaultServer on
Port {port}
User nobody
Group nogroup
PidFile {state}/pid
ScoreboardFile {state}/scoreboard
DelayEngine off
SystemLog {state}/log
TransferLog none
WtmpLog off
UseIPv6 {"off" if family == 4 else "on"}
UseReverseDNS off
RootRevoke off
DefaultAddress {ANY[family]}
{ports}
<Anonymous {files.root}>
  User nobody
  Group nogroup
  UserAlias anonymous nobody
  RequireValidShell off
</Anonymous>
""")
    return Server(world, namespace, name, files, ANONYMOUS,
                  [*command, "-n", "-q", "-c", configuration], port)
