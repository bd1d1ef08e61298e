"""What ``--help`` prints behind the usage: what a tool is for, and examples. Pure."""

from __future__ import annotations

DOMAINS = b"""\
A domain is named by its place (., .., /, /sales/lab), as TAG@HOST, or with -t
by its server: HOST/TAG, or HOST:PORT/TAG where no binder runs. The ports of
server and binder may stand in PORTLORE_NETINFO_PORT and PORTLORE_NIBIND_PORT.
DIR/TAG.nidb, the folder of an old machine's store, is read without a server.
"""
PATHS = b"""\
A path is /NAME/NAME or /KEY=VALUE; a backslash makes the next sign an ordinary
one. Digits alone are a directory's id.
"""
PASSWORDS = b"""\
Without -u, -p or -P nobody in particular calls. The password is asked for at
the terminal, without one read from stdin. -P shows it to whoever lists the
processes, until the tool has begun to run and overwrites it there, which it can
on Linux only. A password crosses the network hardly hidden.
"""
NIUTIL = (
    b"""\
Reads and changes directories, one property at a time.

  niutil -list . /                               what is at the root
  niutil -list -t 10.0.0.1/network /users uid    the uid of every user
  niutil -read . /users/ann                      all properties of a directory
  niutil -readprop . /machines/next1 ip_address  the values of one
  niutil -create -p . /machines/next2            a directory, and those above it
  niutil -createprop -p . /machines/next2 ip_address 10.0.0.6
  niutil -appendprop -p . /groups/staff users ann    one more value
  niutil -mergeprop -p . /groups/staff users ann     unless it is there
  niutil -insertval -p . /groups/staff users bob 0   a value at a place
  niutil -destroyval -p . /groups/staff users ann    all values of that text
  niutil -destroyprop -p . /users/ann shell          a property
  niutil -renameprop -p . /users/ann realname gecos
  niutil -destroy -p . /users/ann                a directory, with all below it
  niutil -rparent .                              the server of the domain above
  niutil -domainname .                           the place of the domain
  niutil -statistics .                           how its server is
  niutil -resync .                               have clones look at the master

--json, where -t may stand too, answers in JSON.
Exit: 0; 100 and the status for a refusal by the server, 199 without an answer,
200 without a domain, 217 to 221 for a HOST/TAG that is none, 1 for words that
make no sense.

"""
    + DOMAINS
    + PATHS
    + PASSWORDS
)
NIDUMP = (
    b"""\
Prints a directory as the file of /etc that it stands for, or with -r as nested
text.

  nidump passwd .                          /etc/master.passwd
  nidump hosts -t 10.0.0.1/network         /etc/hosts
  nidump mountmaps .                       the maps of the automounter
  nidump mountmaps . auto_home             one of them
  nidump -r / . > domain.txt               everything; niload -r reads it
  nidump --json group .                    for scripts

A directory that is missing prints nothing. Exit: 0 or 1.

"""
    + DOMAINS
)
NILOAD = (
    b"""\
Loads a file of /etc, or with -r nested text, from stdin. An entry replaces the
directory that has its first name.

  niload -p hosts . < /etc/hosts
  niload -m -p group . < /etc/group        users who are in a group already stay
  niload -d -p services . < /etc/services  the directory of the old ones goes
  niload -v -p passwd . < users            tells what it does
  niload -r -p /printers . < printers.txt  what nidump -r printed

Lines that begin with # and lines that make no sense are left out without a
word. Without -u it is root who calls. The directory that -r loads must be there
or be right below the root; elsewhere make it first, by niutil -create.
Exit: 0 or 1; where the server refuses -r 0, as it always was, with --json 1.

"""
    + DOMAINS
    + PASSWORDS
)
NIGREP = (
    b"""\
Prints the properties whose name or a value matches an extended regular
expression of POSIX.

  nigrep ann .                             anywhere in the local domain
  nigrep '^10\\.0\\.' -t 10.0.0.1/network /machines
  nigrep --json '[[:digit:]]+' . /users /groups

Exit: as niutil, but 1 without a domain.

"""
    + DOMAINS
)
NIREPORT = (
    b"""\
Prints a line for each directory below a path, with the values of some
properties in columns.

  nireport . /users name uid home
  nireport -t 10.0.0.1/network /machines name ip_address serves
  nireport --json . /groups name users

#NoValue# stands for a property that is not there. Exit: as niutil.

"""
    + DOMAINS
)
NIFIND = b"""\
Tells in which domains a directory is, from the local one up to the root or up
to the domain that is named.

  nifind /users/ann
  nifind -v /printers/laser                also where it is not
  nifind -p /machines/mailhost /sales      up to /sales, with its contents
  nifind -a /users/uid=501                 in every domain
  nifind -an --json /mounts                but for single machines

Exit: 0 wherever it is or is not.
"""
NIDOMAIN = b"""\
Asks the binder of a machine, this one if none is named, for the domains that it
serves, or has it make or forget one.

  nidomain -l 10.0.0.1                     tags and ports of all
  nidomain -g network 10.0.0.1             of one
  nidomain -m sales                        a new domain, with its master here
  nidomain -c sales 10.0.0.1/sales         a clone of it
  nidomain -d sales                        stop serving a domain, and delete it
  nidomain -u sales                        forget a server
  nidomain -a network office               a second tag for a server
  nidomain --json -l

All but -l and -g are for root on that machine. Exit: 0 or 1.
"""
NICL = (
    b"""\
Reads and changes directories as records: properties apart from access rules,
which begin with _. Without a command it reads some from stdin, a line each.

  nicl . -read /users/ann                  access rules come last
  nicl -v . -read /users/ann               with id, version, parent and children
  nicl . -list /groups gid                 the directories that have a gid
  nicl . -search / 0 -1 shell /bin/tcsh    from the root itself to any depth
  nicl -p . -create /users/bob uid 502     a directory and a property
  nicl -p . -append /groups/staff users bob
  nicl -p . -merge /groups/staff users bob
  nicl -p . -delete /groups/staff users bob
  nicl -p . -delete /users/bob             a directory, with all below it
  nicl -t 10.0.0.1/network < commands
  nicl -raw old/local.nidb -read /users/root
                                           the disk of an old machine

Exit: 0; 200 and the status for a refusal by the server, 200 without a domain, 1
for words that make no sense.

"""
    + DOMAINS
    + PATHS
    + PASSWORDS
)
