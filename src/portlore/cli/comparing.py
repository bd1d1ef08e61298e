"""Two results of scans compared, or several made one: the part of ``portlore compare`` that is about scans."""

from __future__ import annotations

from portlore.errors import InputError
from portlore.scan.results import compare, merge, parse_results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from portlore.cli.output import Output
    from portlore.scan.results import Merged, PortChange


def compare_scans(args: Namespace, output: Output, texts: Sequence[str]) -> int:
    """Compare or merge; 1 with ``--exit-code`` when anything changed, or does not fit together."""
    names = [args.before, *args.after]
    results = [parse_results(text, name) for text, name in zip(texts, names, strict=True)]
    if args.merge:
        return _merge(merge(list(zip(names, results, strict=True))), args, output)
    if len(results) < 2:
        raise InputError("portlore compare", "one result of a scan", "name two: what it was, and what it is")
    before, after = results
    if before.ports is not None and after.ports is not None and before.ports != after.ports:
        output.say("portlore: the two scans asked other ports: what only one of them asked is no news")
    for name, result in zip(names, results, strict=True):
        if not result.whole:
            output.say(f"portlore: {name} is not whole ({result.summary['ended']}): what it did not ask is no news")
    for name, one in zip(names, results, strict=True):
        ended = one.summary.get("ended", "complete")
        if ended != "complete":
            output.say(f"portlore: {name} is not whole ({ended}): what it did not come to looks as if it were closed")
    changes = compare(before, after)
    if args.format == "text":
        output.lines(_lines(changes, output) or ["nothing changed"])
    else:
        from portlore.render.formats import Document
        from portlore.render.plain import plain

        head = {"before": names[0], "after": names[1]}
        output.document(Document(head, (("changes", (plain(one) for one in changes)),)), args.format)
    return 1 if changes and args.exit_code else 0


def _lines(changes: Sequence[PortChange], output: Output) -> list[str]:
    rows = []
    for one in changes:
        what = f"{one.field}: {one.before or '-'} → {one.after or '-'}" if one.change == "changed" else ""
        told = what or (f"{one.judgement}: {one.why}" if one.judgement and one.change == "appeared" else one.after)
        rows.append([str(one.change), f"{one.port}/{one.transport}", one.address, told])
    return output.style.table(rows)


def _merge(merged: Merged, args: Namespace, output: Output) -> int:
    if args.format == "text":
        from portlore.render.scanning import summary_lines

        rows = [
            [
                f"{row['port']}/{row['transport']}",
                str(row["address"]),
                str(row["outcome"]),
                " ".join(str(row[key]) for key in ("protocol", "product", "version") if row.get(key)) or "-",
                str(row.get("judgement") or "") if row.get("protocol") or row.get("facts") else "by number",
            ]
            for row in merged.rows
        ]
        output.lines([*output.style.table(rows), ""])
        if "hosts" in merged.summary:
            notes = [note for note in merged.summary["notes"] if note not in merged.notes]  # those are told on stderr
            output.lines(summary_lines({**merged.summary, "notes": notes}, output.style))
    else:
        from portlore.render.formats import Document
        from portlore.render.observations import flat

        shown = (
            [flat(row) if "evidence" in row else row for row in merged.rows] if args.format == "csv" else merged.rows
        )
        output.document(Document({}, (("observations", shown),), {"summary": merged.summary}), args.format)
    for note in merged.notes:
        output.say(f"portlore: {note}")
    return 1 if merged.notes and args.exit_code else 0
