// The static site's 404 page: works out from the address which port was asked for, in which language, and says its status.
"use strict";
(async () => {
  let page = document.getElementById("missing");
  if (page.dataset.root === undefined) return; // another copy of this program was found before
  const assumed = page.dataset.root, root = new URL("../", document.currentScript.src).pathname;
  delete page.dataset.root;
  const asked = location.pathname.startsWith(root) ? location.pathname.slice(root.length) : "";
  const [, code, digits] = asked.match(/^([a-z]{2})(?:\/ports\/(0|[1-9]\d{0,4})(?:\/|\/index\.html|\.json)?$|\/|$)/) ?? [];
  const number = Number(digits ?? NaN);

  function relink() { // the page cannot know at which depth it is read; this program knows where it came from
    for (const name of assumed === root ? [] : ["href", "action", "data-runs", "data-ranges"]) {
      for (const one of document.querySelectorAll(`[${name}^="${assumed}"]`)) {
        one.setAttribute(name, root + one.getAttribute(name).slice(assumed.length));
      }
    }
  }

  relink();
  const codes = [...document.querySelectorAll("footer [hreflang]")].map((link) => link.hreflang);
  if (code !== document.documentElement.lang && codes.includes(code)) {
    const answer = await fetch(`${root}${code}/404.html`);
    if (answer.ok) {
      const other = new DOMParser().parseFromString(await answer.text(), "text/html");
      Object.assign(document.documentElement, { lang: other.documentElement.lang, dir: other.documentElement.dir });
      document.title = other.title;
      document.body.replaceWith(other.body);
      page = document.getElementById("missing");
      relink();
    }
  }
  if (!(number < 65536)) return;

  const { statuses, runs } = await (await fetch(page.dataset.runs)).json();
  const [, ...both] = runs.findLast(([first]) => first <= number);
  const [tcp, udp] = both.map((index) => statuses[index]);
  const shown = document.documentElement.dir === "rtl" ? `\u2068${number}\u2069` : number;
  const say = (name) => page.getAttribute(`data-${name}`)?.replace("{port}", shown);
  const title = say("title"), lead = page.querySelector(".lead");
  document.title = `${title} · Portlore`;
  page.querySelector("h1").textContent = title;
  lead.textContent = say(tcp === "no-entry" ? "unassigned" : tcp) ?? "";
  lead.hidden = !lead.textContent;
  [...page.querySelectorAll(".statuses td")].forEach((cell, at) => {
    const word = document.createElement("span");
    word.className = `status ${[tcp, udp][at]}`;
    word.textContent = say(`word-${[tcp, udp][at]}`);
    cell.append(word);
  });
  const first = number & ~255, link = page.querySelector(".range a");
  link.href = `${page.dataset.ranges}${first}-${first | 255}/`;
  for (const hidden of page.querySelectorAll(".statuses, .range")) hidden.hidden = false;
  for (const other of document.querySelectorAll("footer [hreflang]")) {
    other.href = `${root}${other.hreflang}/ports/${number}/`;
  }
})();
