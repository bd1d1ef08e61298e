"""Results of scans in every form that the atlas reads, and what is none: for Python's reader and for the browser's."""

from __future__ import annotations

NMAP = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -oX - host"><host><ports><extraports state="closed" count="997"/>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack"/><service name="ssh"/>
<script id="x" output="&lt;html xmlns=&quot;http://www.w3.org/1999/xhtml&quot;&gt;"/></port>
<port protocol="udp" portid="53"><state state="open|filtered"/></port>
<port protocol="ip" portid="6"><state state="open"/></port>
<port protocol="tcp" portid="80"><state state="closed"/></port></ports></host>
<host><ports><port protocol="udp" portid="161"><state state="open"/></port></ports></host></nmaprun>"""


def observed(port: int, outcome: str = "open") -> str:
    return f'{{"host": "h", "port": {port}, "transport": "tcp", "outcome": "{outcome}"}}'


def masscan(port: int) -> str:
    ports = f'[ {{"port": {port}, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 51}} ]'
    return f'{{   "ip": "192.0.2.1",   "timestamp": "1390380064", "ports": {ports} }}'


SCANS: dict[str, tuple[str, set[int]]] = {  # name: text, open ports; as portlore, nmap and masscan document their forms
    "portlore.json": (f'{{"observations": [{observed(22)}, {observed(23, "refused")}], "summary": {{}}}}', {22}),
    "portlore.ndjson": (f"{observed(22)}\n{observed(161)}\n{observed(23, 'timeout')}\n", {22, 161}),
    "portlore.csv": (
        'host,port,transport,outcome\n"a, ""b""",22,tcp,open\nh,23,tcp,timeout\r\nh,161,udp,open\n',
        {22, 161},
    ),
    "nmap.xml": (NMAP, {22, 161}),
    "masscan.json": (f"[\n{masscan(22)}\n,\n{masscan(80)}\n]\n", {22, 80}),
    "old-masscan.json": (f"[\n{masscan(22)},\n{masscan(80)},\n{{finished: 1}}\n]\n", {22, 80}),
    "masscan.list": (
        "#masscan\nopen tcp 22 192.0.2.1 1\nbanner tcp 22 192.0.2.1 1 ssh x\nopen udp 161 192.0.2.1 1\n# end\n",
        {22, 161},
    ),
    "numbers.txt": (
        "# mine\n22 80,443\n8000-8002 8001-8003\n53/udp # dns\n",
        {22, 80, 443, 8000, 8001, 8002, 8003, 53},
    ),
    "none.json": ("[]", set()),
    "none.txt": ("# nothing open\n", set()),
}
BAD_SCANS = {
    "nothing": "",
    "prose": "This is not a scan.",
    "too-high": "22 65536",
    "negative": "-22",
    "zeros": "0022",
    "reversed": "80-22",
    "html": "<html><body><img src=x onerror=alert(1)></body></html>",
    "half-nmap": NMAP[: len(NMAP) // 2],
    "entities": '<!DOCTYPE nmaprun [<!ENTITY a "&b;&b;"><!ENTITY b "bb">]><nmaprun>&a;</nmaprun>',
    "foreign": f'<nmaprun xmlns:h="http://www.w3.org/1999/xhtml"><h:img src="x"/>{NMAP[NMAP.index("<host>") :]}',
    "half-json": '{"observations": [{"port": 22,',
    "deep-json": "[" * 100_000,
    "deep-and-closed-json": "[" * 100_000 + "]" * 100_000,
    "other-json": '{"listeners": [{"port": 22, "transport": "tcp"}]}',
    "wrong-port": f"{observed(22)}\n{observed(70000)}",
    "true-port": '{"port": true, "transport": "tcp", "outcome": "open"}',
    "rows-of-numbers": "[1, 2, 3]",
    "open-quote": 'port,transport,outcome\n"22,tcp,open\n',
    "csv-port": "port,transport,outcome\n<b>22</b>,tcp,open\n",
    "other-list": "#masscan\nopen tcp 22 192.0.2.1 1\nrm -rf /\n",
    "binary": "\x00\x01\x02\ufffd",
}
