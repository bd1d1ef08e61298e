"""What the tools print when their words make no sense; niutil's is the one that was recorded. Pure."""

from __future__ import annotations

from portlore.netinfo import loading

NIUTIL = b"""\
usage:
	niutil -create      [opts] <domain> <path>
	niutil -destroy     [opts] <domain> <path>
	niutil -createprop  [opts] <domain> <path> <propkey> [<val>...]
	niutil -appendprop  [opts] <domain> <path> <propkey> <val>...
	niutil -mergeprop   [opts] <domain> <path> <propkey> <val>...
	niutil -insertval   [opts] <domain> <path> <propkey> <val> <index>
	niutil -destroyprop [opts] <domain> <path> <propkey>...
	niutil -destroyval  [opts] <domain> <path> <propkey> <val>...
	niutil -renameprop  [opts] <domain> <path> <oldkey> <newkey>
	niutil -read        [opts] <domain> <path>
	niutil -list        [opts] <domain> <path> [<propkey>]
	niutil -readprop    [opts] <domain> <path> <propkey>
	niutil -readval     [opts] <domain> <path> <propkey> <index>
	niutil -rparent     [opts] <domain>
	niutil -resync      [opts] <domain>
	niutil -statistics  [opts] <domain>
	niutil -domainname  [opts] <domain>
opts:
	-t		domain specified by <hostname>/<tag>
	-p		prompt for password
	-u <user>	authenticate as another user (implies -p)
	-P <password>	password supplied on command line (overrides -p)
	-T <timeout>	read & write timeout in seconds (default 30)
	-n		numeric output for -rparent
	-R		Retry operation if master is busy
"""
OPTIONS = b"""\
	-t		the domain is given as <host>/<tag>
	-T <timeout>	how long one call may take, in seconds (default 30)
	--json		answer in JSON
	--help		what it does, with examples
"""
CREDENTIALS = b"""\
	-p		ask for the password
	-u <user>	call as that user, and ask for the password
	-P <password>	the password
"""
NIDUMP = b"""\
usage: nidump [-r] [-T timeout] {directory | format} [-t] domain
known formats:
	aliases
	bootptab
	bootparams
	ethers
	exports
	fstab
	group
	hosts
	networks
	passwd
	printcap
	protocols
	resolv.conf
	rpc
	services
	mountmaps
"""
NILOAD = (
    b"usage: niload [opts] {format | -r directory} domain\n"
    b"\t-d\t\tdestroy the format's directory first\n"
    b"\t-m\t\tkeep the values and properties that are there\n"
    b"\t-v\t\ttell what is done\n"
    + CREDENTIALS
    + OPTIONS
    + b"".join(b"\t%b\n" % name.encode() for name in ("formats:", *sorted(loading.FORMATS))).removeprefix(b"\t")
)
NIGREP = b"usage: nigrep [-T timeout] exp [-t] domain [dir ...]\n"
NIREPORT = b"usage: nireport [-T timeout] [-t] domain directory property...\n"
NIFIND = (
    b"usage: nifind [options] directory [domain]\n"
    b"\t-a\t\tin every domain, not only from the local one upwards\n"
    b"\t-n\t\tnot in domains of the tag local\n"
    b"\t-p\t\talso what the directory holds\n"
    b"\t-v\t\talso where it is not\n" + OPTIONS
)
NIDOMAIN = (
    b"usage: nidomain -l [host]\n"
    b"       nidomain -g tag [host]\n"
    b"       nidomain -m tag [host]\n"
    b"       nidomain -d tag [host]\n"
    b"       nidomain -u tag [host]\n"
    b"       nidomain -c tag master/tag [host]\n"
    b"       nidomain -a tag alias [host]\n"
)
NICL = (
    b"usage: nicl [options] <domain> [<command>]\n"
    b"commands:\n"
    b"\t-read <path> [<key>...]\n"
    b"\t-list <path> [<key>]\n"
    b"\t-search <path> <min depth> <max depth> (<key> <val>)...\n"
    b"\t-statistics\n"
    b"\t-create <path> [<key> [<val>...]]\n"
    b"\t-append <path> <key> <val>...\n"
    b"\t-merge <path> <key> <val>...\n"
    b"\t-delete <path> [<key> [<val>...]]\n"
    b"options:\n"
    b"\t-v\t\tids, versions, parents and children too\n"
    b"\t-ro\t\twrite nothing\n"
    b"\t-raw\t\tthe domain is the folder of an old store, TAG.nidb\n" + CREDENTIALS + OPTIONS
)
