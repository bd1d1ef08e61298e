// The static site's search: finds in names.json as you type, where there is no server to ask.
"use strict";
(async () => {
  const MOST = 100; // hits
  const said = document.getElementById("found"), list = document.querySelector("ol.hits");
  const box = document.querySelector("header input[name=q]"), idle = said.textContent;
  const start = said.dataset.pages.replace(/ports\/$/, "");
  const quoted = (text) => document.dir === "rtl" ? `\u2068${text}\u2069` : text;
  const path = (name, ports) =>
    /^\d+$/.test(ports) ? `ports/${ports}/` : ports ? `ranges/${ports}/` : `services/${encodeURIComponent(name)}/`;
  box.value = new URLSearchParams(location.search).get("q") ?? "";
  const rows = (await (await fetch(said.dataset.names)).json()).map(([name, ports]) => [name, ports, name.toLowerCase()]);

  function rank(query, words, number, ports, name) { // the less the better; nothing for what does not fit
    const [first, last = first] = ports.split("-").map(Number);
    if (name === query) return 0;
    if (number !== null) return ports && first <= number && number <= last ? 1 : words.every((word) => name.includes(word)) ? 4 : null;
    return name.startsWith(query) ? 2 : words.every((word) => name.includes(word)) ? 3 : null;
  }

  function show() {
    const asked = box.value.trim(), query = asked.toLowerCase(), words = query.split(/\s+/);
    const number = /^(0|[1-9]\d{0,4})$/.test(query) && Number(query) < 65536 ? Number(query) : null;
    const hits = [];
    for (const [name, ports, lower] of query ? rows : []) {
      const place = rank(query, words, number, ports, lower);
      if (place !== null) hits.push([place, name, ports]);
    }
    hits.sort((a, b) => a[0] - b[0]);
    if (number !== null && !hits.some(([, , ports]) => ports === query)) hits.unshift([0, "", query]);
    list.replaceChildren(...hits.slice(0, MOST).map(([, name, ports]) => {
      const row = document.createElement("li"), link = document.createElement("a");
      const what = document.createElement("bdi"), where = document.createElement("bdi"), small = document.createElement("span");
      link.href = start + path(name, ports);
      what.textContent = name || ports;
      where.textContent = name && ports;
      where.dir = "ltr";
      small.className = "small";
      link.append(what);
      small.append(where);
      row.append(link, " ", small);
      return row;
    }));
    said.textContent = !query ? idle : said.dataset[hits.length ? "some" : "none"].replace("{query}", () => quoted(asked));
  }

  box.addEventListener("input", show);
  show();
})();
