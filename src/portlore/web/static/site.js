// What the pages can do besides being read: finding as you type, copying commands, voting without leaving.
"use strict";
const form = document.querySelector("header form");
const box = form.elements.q;
if (form.dataset.suggest) {
  const list = document.createElement("ul");
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
    const words = box.value.trim(), mine = ++asked;
    if (!words) return show(false);
    let hits;
    try {
      const answer = await fetch(form.dataset.suggest + encodeURIComponent(words));
      if (!answer.ok) return;
      hits = (await answer.json()).hits;
    } catch { return; }
    if (mine !== asked) return;
    list.replaceChildren(...hits.map((hit, n) => {
      const row = document.createElement("li"), link = document.createElement("a");
      row.id = `hit-${n}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", "false");
      link.href = new URL(form.action).pathname.replace(/search\/?$/, "") + hit.path;
      link.tabIndex = -1;
      link.textContent = [hit.name, hit.ports && `${hit.ports}/${hit.transport}`].filter(Boolean).join("  ");
      row.append(link);
      return row;
    }));
    chosen = -1;
    show(hits.length > 0);
  };
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
  box.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Escape") show(false);
    else if (event.key === "Enter" && chosen >= 0) list.children[chosen].firstChild.click();
    else return;
    event.preventDefault();
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
    } catch { vote.submit(); }
  });
}
for (const list of document.querySelectorAll(".commands[data-copy]")) {
  if (!navigator.clipboard) break;
  for (const code of list.querySelectorAll("code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = list.dataset.copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = list.dataset.copied;
      setTimeout(() => { button.textContent = list.dataset.copy; }, 2000);
    });
    code.after(button);
  }
}
