"""``portlore completion SHELL``: the completion script of a shell, made from the commands and their own options."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, Namespace
    from collections.abc import Iterator

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
    return {
        command: sorted(option for action in actions for option in action.option_strings if option.startswith("--"))
        for command, actions in _actions()
    }


def values() -> dict[tuple[str, str], list[str]]:
    """The words that an option of a command takes, where they are few: ``("scan", "--format")``."""
    return {
        (command, option): list(map(str, action.choices))
        for command, actions in _actions()
        for action in actions
        for option in action.option_strings
        if action.choices and option.startswith("--")
    }


def _actions() -> Iterator[tuple[str, list[Action]]]:
    from portlore.cli import COMMANDS, module_of
    from portlore.cli.parser import parser_for

    for command in COMMANDS:
        module = module_of(command)
        parser = parser_for(command, module.USAGE, module.DESCRIPTION)
        module.add_arguments(parser)
        yield command, parser._actions  # noqa: SLF001


def run(args: Namespace, output: Output) -> int:
    """Print the script."""
    output.write({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]())
    return 0


def _bash() -> str:
    cases = "\n".join(f'    {command}) words="{" ".join(opts)}" ;;' for command, opts in options().items())
    few = "\n".join(f'    "{c} {option}") few="{" ".join(one)}" ;;' for (c, option), one in values().items())
    commands = " ".join(options())
    default = " ".join(options()["lookup"])
    return f"""\
_portlore() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" words few=""
  case "${{COMP_WORDS[1]}} $previous" in
{few}
    *" --format") few="text json ndjson csv" ;;
    *" --from"|*" --output"|*" -o"|*" -iL"|*" --exclude-file"|*" --resume")
      COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  [ -n "$few" ] && COMPREPLY=($(compgen -W "$few" -- "$current")) && return
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
    few = "\n".join(f'  "{c} {option}") compadd -- {" ".join(one)}; return ;;' for (c, option), one in values().items())
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
case "${{words[2]}} ${{words[CURRENT-1]}}" in
{few}
  *" --format") compadd -- text json ndjson csv; return ;;
  *" --from"|*" --output"|*" -o"|*" -iL"|*" --exclude-file"|*" --resume") _files; return ;;
esac
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
    lines += [
        f"complete -c portlore -n '__fish_seen_subcommand_from {command}' -l {option[2:]} -x -a '{' '.join(one)}'"
        for (command, option), one in values().items()
    ]
    lines.append("complete -c portlore -n __fish_use_subcommand -l format -x -a 'text json ndjson csv'")
    return "\n".join([*lines, ""])
