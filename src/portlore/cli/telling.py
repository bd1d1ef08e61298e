"""``portlore netinfo serve --metrics``: its options, and the token that they need."""

from __future__ import annotations

from portlore.cli.serve import read_token
from portlore.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """The options."""
    help_place = "Prometheus metrics at /metrics there, and /healthz (127.0.0.1:9703; by default none)"
    parser.add_argument("--metrics", metavar="ADDRESS:PORT", help=help_place)
    help_guard = "the token that Prometheus sends, needed where others can reach it"
    parser.add_argument("--metrics-token-file", metavar="FILE", help=help_guard)


def token(args: Namespace) -> str:
    """The token of a file; empty without one, which is for loopback alone."""
    if args.metrics is None:
        if args.metrics_token_file is not None:
            raise InputError("--metrics-token-file without --metrics", "there is nothing to guard", "say --metrics too")
        return ""
    from portlore.netinfo.telling import is_loopback, parse_place

    address, _ = parse_place(args.metrics)
    if args.metrics_token_file is not None:
        return read_token(args.metrics_token_file)
    if not is_loopback(address):
        do = "write one into a file, and name it with --metrics-token-file"
        raise InputError(f"--metrics {args.metrics} without a token", "others than this machine can reach it", do)
    return ""
