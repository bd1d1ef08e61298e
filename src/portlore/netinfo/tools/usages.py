"""What the tools print when their words make no sense; niutil's as it was. Pure."""

from __future__ import annotations

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
opts:
	-t		domain specified by <hostname>/<tag>
	-T <timeout>	read & write timeout in seconds (default 30)
	--json		answer in JSON
"""
CREDENTIALS = b"""\
	-p		prompt for password
	-u <user>	authenticate as another user (implies -p)
	-P <password>	password supplied on command line (overrides -p)
"""
NIDUMP = (
    b"usage:\n"
    b"\tnidump [opts] <format> <domain>\n"
    b"\tnidump [opts] mountmaps <domain> [<name>]\n"
    b"\tnidump [opts] -r <path> <domain>\n" + OPTIONS
)
NILOAD = (
    b"usage:\n"
    b"\tniload [opts] <format> <domain>\n"
    b"\tniload [opts] -r <path> <domain>\n"
    b"opts:\n"
    b"\t-d\t\tdestroy what is in the directory first\n"
    b"\t-m\t\tmerge values with what is there\n"
    b"\t-v\t\ttell what is done\n" + OPTIONS.removeprefix(b"opts:\n") + CREDENTIALS
)
NIGREP = b"usage: nigrep [opts] <regular expression> <domain> [<path>...]\n" + OPTIONS
NIREPORT = b"usage: nireport [opts] <domain> <path> <propkey>...\n" + OPTIONS
NIFIND = (
    b"usage: nifind [opts] <path> [<domain>]\n"
    b"opts:\n"
    b"\t-a\t\tlook in every domain\n"
    b"\t-n\t\tleave the first domain out\n"
    b"\t-p\t\tprint the properties\n"
    b"\t-v\t\talso tell where it is not\n" + OPTIONS.removeprefix(b"opts:\n")
)
NIDOMAIN = (
    b"usage:\n"
    b"\tnidomain -l [<host>]\t\t\t\tlist the domains served\n"
    b"\tnidomain -g <tag> [<host>]\t\t\tthe ports of a domain\n"
    b"\tnidomain -m <tag> [<host>]\t\t\tmake a master\n"
    b"\tnidomain -c <tag> <master>/<mastertag> [<host>]\tmake a clone\n"
    b"\tnidomain -d <tag> [<host>]\t\t\tdestroy a domain\n"
    b"\tnidomain -u <tag> [<host>]\t\t\tforget a server\n"
)
NICL = (
    b"usage: nicl [opts] <domain> <command>\n"
    b"commands:\n"
    b"\t-read <path> [<propkey>...]\n"
    b"\t-list <path> [<propkey>]\n"
    b"\t-search <path> <min depth> <max depth> <propkey> <val>...\n"
    b"\t-create <path> [<propkey> [<val>...]]\n"
    b"\t-append <path> <propkey> <val>...\n"
    b"\t-merge <path> <propkey> <val>...\n"
    b"\t-delete <path> [<propkey> [<val>...]]\n"
    b"opts:\n"
    b"\t-v\t\tids, versions, parents and children too\n" + OPTIONS.removeprefix(b"opts:\n") + CREDENTIALS
)
