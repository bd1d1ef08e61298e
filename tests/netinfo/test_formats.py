"""The formats of nidump and niload, held against what the original tools printed, then against noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.errors import ParseError
from portlore.netinfo import dumping, loading
from portlore.netinfo.raw import DEPTH, Tree, parse_raw, write_raw
from portlore.netinfo.values import Property, first, properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from portlore.netinfo.values import Properties

VECTORS = Path(__file__).parent.parent / "vectors/netinfo"
TOOLS: list[dict[str, Any]] = [json.loads(line) for line in (VECTORS / "tools-a.jsonl").read_text("utf-8").splitlines()]
SAMPLES = ("sample.expected", "sample-old.expected")
DUMPS = [
    (sample, path.name.removeprefix("nidump."))
    for sample in SAMPLES
    for path in sorted((VECTORS / sample).glob("nidump.*"))
]
FLAT = [case for case in DUMPS if not case[1].startswith("raw")]
RAW = [case for case in DUMPS if case[1].startswith("raw")]


def tree_of(path: Path) -> Tree:
    """The store of a ``records.json``."""
    records = {record["id"]: record for record in json.loads(path.read_text("utf-8"))["records"]}

    def tree(number: int) -> Tree:
        record = records[number]
        return Tree(properties(record["props"]), tuple(map(tree, record["children"])))

    return tree(0)


STORES = {sample: tree_of(VECTORS / sample / "records.json") for sample in SAMPLES}


def below(tree: Tree, path: bytes) -> Tree | None:
    """The directory of a path of plain names."""
    for name in path.split(b"/"):
        if name:
            named = [
                child for child in tree.children if name in getattr(first(child.properties, b"name"), "values", ())
            ]
            if not named:
                return None
            tree = named[0]
    return tree


def dump(tree: Tree, name: str, one: str = "") -> bytes:
    """What ``nidump NAME`` and ``nidump NAME one`` print."""
    form = dumping.FORMATS[name]
    write = form.named if one else form.write
    assert write is not None
    directory = below(tree, form.path + b"/" + one.encode())
    if directory is None:
        return b""
    if form.reads is dumping.Reads.ITSELF:
        return write([directory.properties])
    return write([child.properties for child in directory.children])


def load(name: str, text: bytes) -> list[Properties]:
    return list(loading.FORMATS[name].parse(text))


def shown(entry: Properties) -> str:
    """Properties as ``niutil -read`` prints them."""
    return "".join(b" ".join((one.name + b":", *one.values)).decode("utf-8", "surrogateescape") + "\n" for one in entry)


# nidump


@pytest.mark.parametrize(("sample", "name"), FLAT)
def test_a_format_is_dumped_byte_for_byte(sample: str, name: str) -> None:
    form, _, one = (name, "", "") if name in dumping.FORMATS else name.partition(".")
    assert dump(STORES[sample], form, one) == (VECTORS / sample / f"nidump.{name}").read_bytes()


def test_every_format_has_a_recording() -> None:
    assert {name for _, name in FLAT} - {"mountmaps.auto_home"} == set(dumping.FORMATS)


def test_a_directory_without_children_gives_no_line() -> None:
    assert {name: form.write([]) for name, form in dumping.FORMATS.items() if form.write([])} == {
        "bootptab": b"/private/tftpboot:/\nmach\n%%\n"
    }


ROWS: list[tuple[str, list[tuple[str, list[str]]], bytes]] = [  # of SPEC.md, where no recording says it
    ("passwd", [("name", ["u", "alias"]), ("passwd", ["a", "b"])], b"u:a::::0:0:::\n"),
    ("passwd", [("uid", ["604"])], b""),
    ("passwd", [("name", [])], b""),
    ("passwd", [("name", ["a"]), ("name", ["b"])], b"a:::::0:0:::\n"),
    ("group", [("name", ["g"])], b"g:::\n"),
    ("hosts", [("name", ["h"]), ("ip_address", [])], b""),
    ("hosts", [("name", ["h"]), ("ip_address", ["10.0.0.1", "10.0.0.2"])], b"10.0.0.1\th\n"),
    ("hosts", [("ip_address", ["10.0.0.1"])], b"10.0.0.1\t\n"),
    ("ethers", [("name", ["h", "h.example"]), ("en_address", ["0:1:2:3:4:5"])], b"0:1:2:3:4:5\th h.example\n"),
    ("bootparams", [("name", ["c"]), ("bootparams", ["root=s:/r", "swap=s:/s"])], b"c root=s:/r \\\n\tswap=s:/s\n"),
    ("bootparams", [("name", ["c"]), ("root", ["s:/r"])], b""),
    ("networks", [("name", ["n", "m", "o"])], b"n\t\tm\to\n"),
    ("services", [("name", ["s"])], b"s\t/\t\n"),
    ("fstab", [("name", ["s:/r"]), ("dir", ["/r"])], b"s:/r /r nfs rw 0 0\n"),
    ("fstab", [("name", ["d"]), ("dir", ["/"]), ("freq", ["1"]), ("dump_freq", ["2"])], b"d / nfs rw 1 0\n"),
    ("exports", [("name", ["/a", "/b"]), ("opts", ["ro"]), ("clients", ["c", "d"])], b"/a /b -ro c d\n"),
    ("aliases", [("name", ["a"])], b""),
    ("aliases", [("name", ["a"]), ("members", [])], b""),
    ("aliases", [("name", ["a"]), ("members", ["m" * 70])], b"a: \n\t" + b"m" * 70 + b"\n"),
    ("printcap", [("name", ["p", "q"]), ("mx", ["#0"]), ("sh", []), ("lp", [""])], b"p|q: \\\n\t:mx#0:sh:lp=:\n"),
    ("resolv.conf", [("domain", ["d"])], b""),
    ("resolv.conf", [("nameserver", ["1.2.3.4"])], b""),
    ("resolv.conf", [("domain", ["d"]), ("nameserver", ["1.2.3.4"])], b"domain d\nnameserver 1.2.3.4\n"),
]


@pytest.mark.parametrize(("name", "row", "expected"), ROWS)
def test_a_column_has_its_first_value_or_its_default(
    name: str, row: list[tuple[str, list[str]]], expected: bytes
) -> None:
    assert dumping.FORMATS[name].write([properties(row)]) == expected


def test_a_map_without_options_has_two_columns() -> None:
    write = dumping.FORMATS["mountmaps"].named
    assert write is not None
    assert write([properties([("name", ["u"]), ("fsname", ["s:/u"])])]) == b"u s:/u\n"
    assert write([properties([("name", ["u"]), ("opts", []), ("fsname", ["s:/u", "t:/u"])])]) == b"u - s:/u t:/u\n"


@given(st.lists(st.text("abc", min_size=1, max_size=80), min_size=1, max_size=30))
def test_folded_lines_are_no_wider_than_72_unless_one_word_is(words: list[str]) -> None:
    aliases = dumping.FORMATS["aliases"].write([properties([("name", ["n"]), ("members", words)])])
    assert aliases.replace(b"\n\t", b"") == f"n: {','.join(words)}\n".encode()
    row = [("name", ["n"]), *((word, ["v"]) for word in words)]
    printcap = dumping.FORMATS["printcap"].write([properties(row)])
    assert printcap.replace(b" \\\n\t:", b"") == b"n:" + b"".join(b"%b=v:" % word.encode() for word in words) + b"\n"
    for line in aliases.splitlines():
        assert len(line.expandtabs(8)) <= 72 or b"," not in line[:-1] or line.count(b":") == 1
    for line in printcap.splitlines():
        assert len(line.removesuffix(b" \\").expandtabs(8)) <= 72 or line.count(b"=") == 1


# raw


@pytest.mark.parametrize(("sample", "name"), RAW)
def test_a_tree_is_dumped_byte_for_byte(sample: str, name: str) -> None:
    path = b"" if name == "raw.root" else name.removeprefix("raw.").encode()
    tree = below(STORES[sample], path)
    assert tree is not None
    assert write_raw(tree) == (VECTORS / sample / f"nidump.{name}").read_bytes()


def test_all_recorded_trees_are_read_back_except_for_escapes_that_lose() -> None:
    recorded = [call["stdout"].encode() for call in TOOLS if call["argv"][:2] == ["nidump", "-r"] and call["stdout"]]
    recorded += [(VECTORS / sample / f"nidump.{name}").read_bytes() for sample, name in RAW]
    assert len(recorded) == 8
    for text in recorded:
        lost = text.replace(b"line1\\nline2\\ttab", b"line1nline2ttab").replace(b"back\\slash", b"backslash")
        assert write_raw(parse_raw(text)) == lost


def test_what_niload_read_is_what_nidump_then_printed() -> None:
    load_call = next(call for call in TOOLS if call["argv"][:2] == ["niload", "-r"])
    dump_call = next(call for call in TOOLS if call["argv"][:3] == ["nidump", "-r", "/tree"])
    assert write_raw(parse_raw(load_call["stdin"].encode())) == dump_call["stdout"].encode()


def of(**values: list[bytes]) -> Properties:
    return tuple(Property(name.encode(), tuple(found)) for name, found in values.items())


ESCAPED = [
    (b'"', b'\\"'),
    (b"\a\b\f\n\r\t\v", b"\\a\\b\\f\\n\\r\\t\\v"),
    (b"\x01\x0e\x13", b"\\01\\016\\023"),
    (b"\x14\x1f", b"\x14\x1f"),
    (b"\x7f", b"\xff"),
    (b"\x80\xff", b"\\037777777600\\037777777777"),
    (b"back\\slash", b"back\\slash"),
]


@pytest.mark.parametrize(("value", "text"), ESCAPED)
def test_a_byte_is_escaped_as_the_original_did(value: bytes, text: bytes) -> None:
    assert write_raw(Tree(of(k=[value]))) == b'{\n  "k" = ( "' + text + b'" );\n}\n'


READ = [
    (b"{ }", Tree(())),
    (b'{"k"=("v");}', Tree(of(k=[b"v"]))),
    (b"{ k = ( v, w ); }", Tree(of(k=[b"v", b"w"]))),
    (b"k = v;\nl = ( );\nm=;", Tree(of(k=[b"v"], l=[], m=[]))),
    (b"k = v, w x", Tree(of(k=[b"v", b"w", b"x"]))),
    (b"{ k = (v) l = (w) }", Tree(of(k=[b"v"], l=[b"w"]))),
    (b"k = #1; # = '", Tree((Property(b"k", (b"#1",)), Property(b"#", (b"'",))))),
    (b"k = v; CHILDREN = ( { a = b }, { } );", Tree(of(k=[b"v"]), (Tree(of(a=[b"b"])), Tree(())))),
    (b"CHILDREN = { a = b } { c = d }; e = f", Tree(of(e=[b"f"]), (Tree(of(a=[b"b"])), Tree(of(c=[b"d"]))))),
    (b'"CHILDREN" = ( "x" );', Tree(of(CHILDREN=[b"x"]))),
    (b'k = "a\\tb\\nc\\"d\\\\e"', Tree(of(k=[b'atbnc"d\\e']))),
    (b'k = "\\101\\0101\\9\\777\\37777777703"', Tree(of(k=[b"A\x081" + b"9\xff\xff" + b"77777703"]))),
    (b'k = "\\037777777703\\037777777674\\0377"', Tree(of(k=[b"\xc3\xbc\x1f7"]))),
    (b'k = "two\nlines"', Tree(of(k=[b"two\nlines"]))),
    (b'k = "a\\0b", "c\0d", e\0f', Tree(of(k=[b"a", b"c", b"e"]))),
    ("k = Zürich".encode(), Tree(of(k=["Zürich".encode()]))),
]


@pytest.mark.parametrize(("text", "tree"), READ)
def test_the_reader_is_lenient(text: bytes, tree: Tree) -> None:
    assert parse_raw(text) == tree


REFUSED = [
    (b"", "line 1: there is nothing in it"),
    (b" \n\n", "line 3: there is nothing in it"),
    (b"{\n", "line 2: it ends too early"),
    (b"{\n}\n}", "line 3: '}' cannot stand here"),
    (b"{ } { }", "line 1: '{' cannot stand here"),
    (b'k = v;\nl = "v', "line 2: a string that does not end"),
    (b'k = "v\\"', "line 1: a string that does not end"),
    (b"k = a\nl = b", "line 2: '=' cannot stand here"),
    (b"k = ( a;", "line 1: ';' cannot stand here"),
    (b"word", "line 1: it ends too early"),
    (b"k = ( \n{ } )", "line 2: '{' cannot stand here"),
    (b"CHILDREN = ( word )", "line 1: 'word' cannot stand here"),
    (b'"" ""', "line 1: '' cannot stand here"),
    (b"k = )", "line 1: ')' cannot stand here"),
    (b"{ CHILDREN = ( { }\n}", "line 2: '}' cannot stand here"),
]


@pytest.mark.parametrize(("text", "found"), REFUSED)
def test_a_malformed_text_is_refused_with_its_line(text: bytes, found: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_raw(text)
    assert refused.value.found == found


def deep(levels: int) -> Tree:
    tree = Tree(())
    for _ in range(levels - 1):
        tree = Tree((), (tree,))
    return tree


def test_directories_are_read_to_a_depth_and_written_to_any() -> None:
    assert parse_raw(write_raw(deep(DEPTH))) == deep(DEPTH)
    with pytest.raises(ParseError, match=f"line {2 * DEPTH + 2}: more than {DEPTH} directories"):
        parse_raw(write_raw(deep(DEPTH + 1)))
    assert write_raw(deep(2000)).count(b"CHILDREN") == 1999


BARE = bytes(range(0x10)) + b'"'  # without these: no NUL, no letter escape, no digit that could belong to an octal one
plain = st.binary(max_size=12).map(lambda value: value.translate(None, BARE + b"\\"))
quoted = st.tuples(plain, st.sampled_from([b"", b'"', b"\x02x"])).map(b"".join)
pairs = st.builds(Property, quoted, st.lists(quoted, max_size=3).map(tuple))
trees = st.recursive(
    st.lists(pairs, max_size=3).map(lambda found: Tree(tuple(found))),
    lambda inner: st.builds(Tree, st.lists(pairs, max_size=3).map(tuple), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(trees)
def test_a_tree_survives_where_the_format_can_tell_its_bytes_apart(tree: Tree) -> None:
    assert parse_raw(write_raw(tree)) == tree


@given(st.binary() | st.lists(st.sampled_from([b"{", b"}", b"(", b")", b"=", b";", b",", b'"', b"\\", b"0", b"377",
    b" ", b"\n", b"a", b"CHILDREN", b"CHILDREN = ( {", b"k = v;", b"\0", b"\xff"])).map(b"".join))  # fmt: skip
def test_any_bytes_are_a_tree_or_an_error_of_ours(data: bytes) -> None:
    try:
        tree = parse_raw(data)
    except ParseError:
        return
    assert parse_raw(data if data.lstrip().startswith(b"{") else b"{" + data + b"\n}") == tree
    write_raw(tree)


@pytest.mark.parametrize("data", [b"{" * 10**6, b'"' + b"\\" * 10**6, b"a=b;" * 10**5, b'"' * (10**6 + 1), b"(" * 9999])
def test_a_large_text_takes_no_more_than_its_share_of_time(data: bytes) -> None:
    try:
        assert len(parse_raw(data).properties) == 10**5
    except ParseError:
        assert not data.startswith(b"a")


# niload


def update(tree: Tree, name: str, text: bytes, *, merge: bool) -> Tree:
    """A store after ``niload NAME``: found by its first name an entry replaces, or with ``-m`` merges, else appends."""
    place = loading.FORMATS[name].path.strip(b"/")
    directory = below(tree, place)
    assert directory is not None
    rows = list(directory.children)
    for entry in load(name, text):
        key = first(entry, b"name")
        assert key is not None
        old = below(Tree((), tuple(rows)), key.values[0])
        if old is None:
            rows.append(Tree(entry))
            continue
        new = entry
        if merge:
            kept = [one for one in old.properties if not first(entry, one.name)]
            new = (*(one.replace(values=(*one.values, *rest(old, one))) for one in entry), *kept)
        rows[rows.index(old)] = old.replace(properties=new)
    children = [directory.replace(children=tuple(rows)) if child == directory else child for child in tree.children]
    return tree.replace(children=tuple(children))


def rest(old: Tree, new: Property) -> tuple[bytes, ...]:
    found = first(old.properties, new.name)
    return tuple(value for value in found.values if value not in new.values) if found else ()


def test_what_niload_stored_is_what_the_tools_then_showed() -> None:
    """The recorded session in order: flat formats loaded, then dumped and read."""
    tree, loaded, compared = tree_of(VECTORS / "start.records.json"), 0, 0
    for call in TOOLS:
        words = [word for word in call["argv"][1:] if word not in ("-t", "HOST/conv")]
        if call["argv"][0] == "niload" and words[-1] in loading.FORMATS and not call["exit"]:
            tree = update(tree, words[-1], call["stdin"].encode(), merge="-m" in words)
            loaded += 1
        elif call["argv"][0] == "nidump" and words[0] in dumping.FORMATS:
            assert dump(tree, words[0]).decode() == call["stdout"]
            compared += 1
        elif words[0] == "-read" and words[1] in ("/users/user01", "/users/newa"):
            directory = below(tree, words[1].encode())
            assert directory is not None
            assert shown(directory.properties) == call["stdout"]
            compared += 1
    assert (loaded, compared) == (5, 15)


def test_the_items_of_a_verbose_load_are_the_entries() -> None:
    call = next(call for call in TOOLS if call["argv"][:2] == ["niload", "-v"])
    for entry in load("hosts", call["stdin"].encode()):
        assert "Processing input item:\n" + shown(entry) in call["stderr"]


LOADED = ("passwd", "group", "services", "protocols", "rpc", "networks", "fstab", "aliases", "printcap", "bootptab")


@pytest.mark.parametrize("name", LOADED)
def test_what_niload_once_stored_is_loaded_from_its_dump(name: str) -> None:
    """The sample was filled by niload: rows that nobody changed since then are in the order of the alphabet."""
    directory = below(STORES["sample-old.expected"], loading.FORMATS[name].path)
    assert directory is not None
    stored = [row.properties for row in directory.children if [one.name for one in row.properties] == sorted(
        one.name for one in row.properties)]  # fmt: skip
    if name == "bootptab":  # its directory has the machines of hosts and bootparams too
        stored = [row for row in stored if first(row, b"en_address")]
    text = dumping.FORMATS[name].write(stored)
    if name == "fstab":
        text = text.replace(b"ufs rw 0 1", b"ufs rw 1 1")  # the original loads dump_freq, and dumps freq
    assert stored
    assert load(name, text) == stored


CASES: list[tuple[str, bytes, list[list[tuple[str, list[str]]]]]] = [
    ("passwd", b"# c\n\nroot:*:0:0::0:0:R:/:/bin/sh:more\nold:*:1:1:R:/:/s\n+::::::::::\n+x:*:1:1::0:0:::\n", []),
    ("passwd", b":*:1:1::0:0:::\n", []),
    (
        "passwd.43",
        b"a:*:1:2:A B:/h:/s\nten:*:1:1::0:0:::\n+:*:0:0:::",
        [
            [("_writers_passwd", ["a"]), ("change", ["0"]), ("class", [""]), ("expire", ["0"]), ("gid", ["2"]),
             ("home", ["/h"]), ("name", ["a"]), ("passwd", ["*"]), ("realname", ["A B"]), ("shell", ["/s"]),
             ("uid", ["1"])]
        ],
    ),
    (
        "group",
        b"a:*:1\nb:*:2:\nc:*:3:x,y\ntwo:*\n+:*:0:\n",
        [
            [("gid", ["1"]), ("name", ["a"]), ("passwd", ["*"]), ("users", [""])],
            [("gid", ["2"]), ("name", ["b"]), ("passwd", ["*"]), ("users", [])],
            [("gid", ["3"]), ("name", ["c"]), ("passwd", ["*"]), ("users", ["x", "y"])],
        ],
    ),
    (
        "group",
        b" d : * :4: x , ,y,\n",
        [[("gid", ["4"]), ("name", ["d"]), ("passwd", ["*"]), ("users", ["x", "", "y", ""])]],
    ),
    ("group", b"three:*: \n", []),
    (
        "hosts",
        b"10.0.0.1\n# 10.0.0.2 h\n\t10.0.0.3\th i#j #k\n10.0.0.4 l \n10.0.0.5 \n",
        [
            [("ip_address", ["10.0.0.3"]), ("name", ["h", "i#j"])],
            [("ip_address", ["10.0.0.4"]), ("name", ["l"])],
        ],
    ),
    ("networks", b"loop 127 l m\nx\n", [[("address", ["127"]), ("name", ["loop", "l", "m"])]]),
    ("protocols", b"tcp\t6\tTCP\t# c\n", [[("name", ["tcp", "TCP"]), ("number", ["6"])]]),
    ("rpc", b"nibind 200100001", [[("name", ["nibind"]), ("number", ["200100001"])]]),
    (
        "services",
        b"a 1/tcp b\nc 2\nd\ne /tcp\nf 3/\n",
        [[("name", ["a", "b"]), ("port", ["1"]), ("protocol", ["tcp"])]],
    ),
    (
        "fstab",
        b"s:/r /r nfs rw,bg 1 2 seventh\nfive /r nfs rw 1\n",
        [[("dir", ["/r"]), ("dump_freq", ["1"]), ("name", ["s:/r"]), ("opts", ["rw", "bg"]), ("passno", ["2"]),
          ("vfstype", ["nfs"])]],
    ),
    (
        "aliases",
        b" lost\na: x,\n\ty , z\n\n\tlost\nb:\nnone\nc: d,,\n# f\n\te: g: h\nblank: \n",
        [
            [("members", ["x", "y", "z"]), ("name", ["a"])],
            [("members", []), ("name", ["b"])],
            [("members", ["d", "", ""]), ("name", ["c"])],
            [("members", ["g"]), ("name", ["e"])],
        ],
    ),
    (
        "printcap",
        b"# c\\\np|q: \\\n\t:sd=/s:lp=/d:sh:mx#0:a=b=c: \\\n#\t:lp=2:=x:ty=:\nnone\n:lp=x:\nr:name=s:AF=t:",
        [
            [("lp", ["2"]), ("name", ["p|q"]), ("sd", ["/s"]), ("ty", [""])],
            [("name", ["none"])],
            [("AF", ["t"]), ("name", ["s"])],
        ],
    ),
    (
        "bootparams",
        b"theta\troot=g:/r\tswap=g:/s\tx\nc d \\\n\tb=c\n\n",
        [
            [("name", ["theta"]), ("root", ["g:/r"]), ("swap", ["g:/s"])],
            [("b", ["c"]), ("name", ["c d "])],
        ],
    ),
    (
        "bootptab",
        b"/home:/\nmach\na 1 2 3 4\n%% all from here\n# c\nz\t1\t0:5\t10.0.0.1\tmach more\nfour 1 2 3\n",
        [[("bootfile", ["mach"]), ("en_address", ["0:5"]), ("htype", ["1"]), ("ip_address", ["10.0.0.1"]),
          ("name", ["z"])]],
    ),
    ("bootptab", b"z 1 2 3 4\n", []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "entries"), CASES)
def test_lines_become_entries_and_what_is_none_is_dropped(
    name: str, text: bytes, entries: list[list[tuple[str, list[str]]]]
) -> None:
    assert load(name, text) == [properties(entry) for entry in entries]


@given(st.sampled_from(list(loading.FORMATS)), st.binary() | st.text("a:=|\\#+,/% \t\n\0").map(str.encode))
def test_any_bytes_are_entries_with_a_name_and_without_a_nul(name: str, data: bytes) -> None:
    for entry in load(name, data):
        assert [one.name for one in entry].count(b"name") == 1
        assert (first(entry, b"name") or entry[0]).values[0]
        assert not any(b"\0" in value for one in entry for value in (one.name, *one.values))
        assert [one.name for one in entry] == sorted(one.name for one in entry)


@given(
    st.sampled_from(list(dumping.FORMATS)),
    st.lists(st.lists(st.tuples(st.sampled_from(["name", "passwd", "opts", "members", "x"]), st.lists(st.text()))))
)  # fmt: skip
def test_any_directory_can_be_dumped(name: str, rows: list[list[tuple[str, list[str]]]]) -> None:
    for write in (dumping.FORMATS[name].write, dumping.FORMATS[name].named or dumping.FORMATS[name].write):
        assert isinstance(write([properties(row) for row in rows]), bytes)
