"""``portlore completion SHELL``: the completion script of a shell, made from the commands and their own options."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from portlore.cli.output import Output

USAGE = "completion bash|zsh|fish"
DESCRIPTION = """\
Print the completion script of a shell.

  portlore completion bash > ~/.local/share/bash-completion/completions/portlore
  portlore completion zsh  > "${fpath[1]}/_portlore"
  portlore completion fish > ~/.config/fish/completions/portlore.fish
"""


def add_arguments(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def options() -> dict[str, list[str]]:
    """The long options of every command."""
    from portlore.cli import COMMANDS, module_of
    from portlore.cli.parser import parser_for

    found = {}
    for command in COMMANDS:
        module = module_of(command)
        parser = parser_for(command, module.USAGE, module.DESCRIPTION)
        module.add_arguments(parser)
        found[command] = sorted(o for action in parser._actions for o in action.option_strings if o.startswith("--"))  # noqa: SLF001
    return found


def run(args: Namespace, output: Output) -> int:
    """Print the script."""
    output.write({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]())
    return 0


def _bash() -> str:
    cases = "\n".join(f'    {command}) words="{" ".join(opts)}" ;;' for command, opts in options().items())
    commands = " ".join(options())
    default = " ".join(options()["lookup"])
    return f"""\
_portlore() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" words
  case "$previous" in
    --format) words="text json ndjson csv"; COMPREPLY=($(compgen -W "$words" -- "$current")); return ;;
    --from) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  case "${{COMP_WORDS[1]}}" in
{cases}
    *) words="{default}" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="{commands} $words"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _portlore portlore
"""


def _zsh() -> str:
    from portlore.cli import COMMANDS

    commands = "\n".join(f"    '{name}:{what.replace(chr(39), '')}'" for name, what in COMMANDS.items())
    cases = "\n".join(f"    {command}) compadd -- {' '.join(opts)} ;;" for command, opts in options().items())
    return f"""\
#compdef portlore
local -a commands
commands=(
{commands}
)
if (( CURRENT == 2 )); then
  _describe command commands
  return
fi
if [[ "${{words[CURRENT-1]}}" == --format ]]; then
  compadd -- text json ndjson csv
  return
fi
case "${{words[2]}}" in
{cases}
    *) compadd -- {" ".join(options()["lookup"])} ;;
esac
"""


def _fish() -> str:
    from portlore.cli import COMMANDS

    lines = [
        f"complete -c portlore -n __fish_use_subcommand -a {name} -d '{what.replace(chr(39), '')}'"
        for name, what in COMMANDS.items()
    ]
    for command, opts in options().items():
        lines += [f"complete -c portlore -n '__fish_seen_subcommand_from {command}' -l {o[2:]}" for o in opts]
    lines.append("complete -c portlore -l format -x -a 'text json ndjson csv'")
    return "\n".join([*lines, ""])
