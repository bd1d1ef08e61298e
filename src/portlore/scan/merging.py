"""The summaries of several scans, or shards of one, as one summary. Pure."""

from __future__ import annotations

from portlore.scan.plan import Account
from portlore.scan.tally import account_row, joined, missed_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Row = dict[str, Any]


def joined_summary(summaries: Sequence[Row], rows: Sequence[Row], *, whole: bool) -> Row:
    """Counts added up; ``rows``: the observations of all, which exposure and judgements are counted from.

    Shards of one scan ask the same hosts, so that the most that one of them saw counts; hosts of different scans add
    up. Raises what a summary of another form makes it raise.
    """
    questions = {(str(one["asked"]["targets"]), str(one["asked"]["ports"])) for one in summaries}
    most = max if len(questions) == 1 else sum
    account = Account()
    for one in summaries:
        account = joined(account, Account(**{**one["account"], "notes": tuple(one["account"]["notes"])}))
    outcomes = {name: sum(one["outcomes"].get(name, 0) for one in summaries) for name in summaries[0]["outcomes"]}
    ended = list(dict.fromkeys(one["ended"] for one in summaries if one["ended"] != "complete"))
    tries = max(one["settings"]["tries"] for one in summaries)
    transports = tuple(dict.fromkeys(name for one in summaries for name in one["engines"]))
    hosts = {name: most([one["hosts"][name] for one in summaries]) for name in ("asked", "answered")}
    hosts["open"] = len({row["address"] for row in rows if row["outcome"] == "open"})
    hosts["answered"] = max(hosts["answered"], hosts["open"])
    reaches = dict.fromkeys(name for one in summaries for name in one["policy"]["addresses"])
    addresses = {reach: most([one["policy"]["addresses"].get(reach, 0) for one in summaries]) for reach in reaches}
    return {
        "asked": {**summaries[0]["asked"], "shard": "1/1"} if len(questions) == 1 else {},
        "ended": ended[0] if ended else "complete" if whole else "incomplete",
        "began": min(one["began"] for one in summaries),
        "took": max(one["took"] for one in summaries),
        "settings": {**summaries[0]["settings"], "tries": tries},
        "engines": {name: told for one in summaries for name, told in one["engines"].items()},
        "policy": {"allowed": any(one["policy"]["allowed"] for one in summaries), "addresses": addresses},
        "hosts": hosts,
        "outcomes": outcomes,
        "account": account_row(account),
        "missed": missed_text(outcomes, account, tries, transports),
        "tarpits": [pit for one in summaries for pit in one["tarpits"]],
        "exposure": _count(row.get("exposure") for row in rows if row["outcome"] == "open"),
        "judgements": _count(row.get("judgement") for row in rows if row.get("protocol")),
        "advice": list(dict.fromkeys(text for one in summaries for text in one["advice"])),
        "notes": list(dict.fromkeys(text for one in summaries for text in one["notes"])),
    }


def _count(words: Iterable[str | None]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        if word:
            found[word] = found.get(word, 0) + 1
    return found
