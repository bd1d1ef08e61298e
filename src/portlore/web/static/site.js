// What the pages can do besides being read: finding as you type, copying commands, voting without leaving.
"use strict";
const form = document.querySelector("header form");
const box = form.elements.q;
if (form.dataset.suggest) {
  const start = new URL(form.action).pathname.replace(/search$/, "");
  const ZEROS = [0x660, 0x6f0, 0x966, 0x9e6, 0xff10]; // digits of readers' keyboards: Arabic, Uyghur, Hindi, Bengali, wide
  const typed = () => box.value.trim().replace(/\p{Nd}/gu, (sign) => {
    const code = sign.charCodeAt(), zero = ZEROS.find((one) => one <= code && code < one + 10);
    return zero ? code - zero : sign;
  });
  const itself = (words) => { // the page of a number or of a range, which needs no search
    const [first, last = first, more] = words.split("-").map((part) => (/^\s*\d{1,5}\s*$/.test(part) ? Number(part) : NaN));
    if (more !== undefined || !(first <= last && last < 65536)) return "";
    return first < last ? `ranges/${first}-${last}` : `ports/${first}`;
  };
  const list = document.createElement("div");
  list.className = "suggest";
  list.id = "suggest";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.getAttribute("aria-label"));
  list.hidden = true;
  form.append(list);
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", "suggest");
  box.setAttribute("aria-expanded", "false");
  let asked = 0, chosen = -1, timer = 0;
  const show = (open) => {
    list.hidden = !open;
    box.setAttribute("aria-expanded", String(open));
    if (!open) { chosen = -1; box.removeAttribute("aria-activedescendant"); }
  };
  const choose = (at) => {
    const all = [...list.children];
    if (!all.length) return;
    chosen = (at + all.length) % all.length;
    all.forEach((one, n) => one.setAttribute("aria-selected", String(n === chosen)));
    box.setAttribute("aria-activedescendant", all[chosen].id);
  };
  const ask = async () => {
    const words = typed(), mine = ++asked;
    if (!words) return show(false);
    let hits;
    try {
      const answer = await fetch(form.dataset.suggest + encodeURIComponent(words));
      if (!answer.ok) return;
      hits = (await answer.json()).hits;
    } catch { return; }
    if (mine !== asked) return;
    if (itself(words)) hits.unshift({ path: itself(words), name: words, ports: "" });
    list.replaceChildren(...hits.map((hit, n) => {
      const link = document.createElement("a");
      link.id = `hit-${n}`;
      link.setAttribute("role", "option");
      link.setAttribute("aria-selected", "false");
      link.href = start + hit.path;
      link.tabIndex = -1;
      for (const text of [hit.name, hit.ports && `${hit.ports} ${hit.transport.toUpperCase()}`].filter(Boolean)) {
        const part = document.createElement("bdi");
        part.textContent = text;
        link.append(part, " ");
      }
      return link;
    }));
    chosen = -1;
    show(hits.length > 0);
  };
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
  box.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(Math.max(chosen, 0) - 1);
    else if (event.key === "Escape") show(false);
    else if (event.key === "Enter" && chosen >= 0) list.children[chosen].click();
    else return;
    event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    const known = itself(typed());
    if (!known) return;
    event.preventDefault();
    location.href = start + known;
  });
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) show(false); });
}
for (const vote of document.querySelectorAll("form.feedback")) {
  vote.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new URLSearchParams(new FormData(vote));
    data.set("face", event.submitter.value);
    const said = vote.querySelector("output");
    try {
      const answer = await fetch(vote.action, { method: "POST", body: data, headers: { Accept: "application/json" } });
      said.textContent = (await answer.json()).message;
      if (answer.ok) for (const one of vote.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === event.submitter));
    } catch { // without us, as if there were no script
      const face = Object.assign(document.createElement("input"), { type: "hidden", name: "face", value: event.submitter.value });
      vote.append(face);
      vote.submit();
    }
  });
}
for (const list of document.querySelectorAll(".commands[data-copy]")) {
  if (!navigator.clipboard) break;
  for (const [n, code] of list.querySelectorAll("code").entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = list.dataset.copy;
    code.id = `command-${n}`;
    button.setAttribute("aria-describedby", code.id);
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = list.dataset.copied;
      setTimeout(() => { button.textContent = list.dataset.copy; }, 2000);
    });
    code.after(button);
  }
}
