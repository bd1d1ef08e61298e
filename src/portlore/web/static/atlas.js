// The map of all ports: drawn from atlas.json, moved by pointer and keyboard; a scan's result is read here, sent nowhere.
"use strict";
const SIDE = 256, PORTS = SIDE * SIDE, LAST = PORTS - 1;
const NEAREST = 96; // CSS pixels of a cell at the nearest
const LINES = 10, NUMBERS = 38, NAMES = 64; // pixels of a cell from which these are drawn
const FINE = 4; // the picture is enlarged so much before it is made smaller, which keeps cells even
const LARGEST = 16 << 20; // bytes of a scan's result
const TRANSPORTS = ["tcp", "udp", "sctp", "dccp", "udplite"];
const find = (name) => document.getElementById(name ? `atlas-${name}` : "atlas");
const root = find(""), canvas = find("map"), said = find("said"), choice = find("layer"), slider = find("year");
const pen = canvas.getContext("2d", { alpha: false });
const layers = {}; // by code: codes, words, picture; of history: days, pictures
let names = [];
const view = { layer: "status", port: 0, zoom: 1, x: SIDE / 2, y: SIDE / 2, year: 0 };

// --- reading atlas.json

function decode(text, before) { // web/maps.py says how it is written
  const picture = new Uint8Array(PORTS);
  let at = 0;
  for (const [, letter, length] of text.matchAll(/([A-Z_])([0-9a-z]*)/g)) {
    const end = at + (length ? parseInt(length, 36) : 1);
    if (letter === "_") picture.set(before.subarray(at, end), at);
    else picture.fill(letter.charCodeAt(0) - 65, at, end);
    at = end;
  }
  return picture;
}

function decodeNames(text) {
  const found = [];
  for (const word of text.split("|")) {
    if (word[0] === "+") found.length += Number(word.slice(1));
    else if (word[0] === "=") for (let n = Number(word.slice(1)); n > 0; n--) found.push(found[found.length - 1]);
    else found.push(word);
  }
  return found;
}

function take(data) {
  for (const option of choice.options) {
    const { codes, runs } = data.layers[option.value];
    const closed = codes.indexOf("closed");
    const cells = codes.map((code) => root.querySelector(`.${option.value}-${code}`));
    layers[option.value] = {
      codes, cells,
      words: cells.map((cell) => cell.parentElement.textContent.trim()),
      picture: runs ? decode(runs) : new Uint8Array(PORTS).fill(Math.max(0, closed)),
    };
  }
  const history = layers.history;
  history.days = data.history.map((year) => year.date);
  history.pictures = [];
  for (const year of data.history) history.pictures.push(decode(year.runs, history.pictures.at(-1)));
  names = decodeNames(data.names);
  layers.claims.names = decodeNames(data.claims);
  slider.max = view.year = history.days.length - 1;
}

// --- drawing

const small = document.createElement("canvas"), fine = document.createElement("canvas");
small.width = small.height = SIDE;
fine.width = fine.height = SIDE * FINE;
let colours = [], inks = [], asked = 0; // of the layer's codes

const current = () => view.layer === "history" ? layers.history.pictures[view.year] : layers[view.layer].picture;

function paint() { // the picture of the layer, in the colours of its legend
  const layer = layers[view.layer], picture = current();
  colours = layer.cells.map((cell) => getComputedStyle(cell).backgroundColor.match(/\d+/g).map(Number));
  inks = colours.map((rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff"; // the one with more contrast (WCAG 2.2)
  });
  const image = new ImageData(SIDE, SIDE), pixels = new Uint32Array(image.data.buffer);
  const table = new Uint32Array(new Uint8Array(colours.flatMap(([r, g, b]) => [r, g, b, 255])).buffer);
  for (let at = 0; at < PORTS; at++) pixels[at] = table[picture[at]];
  small.getContext("2d").putImageData(image, 0, 0);
  const large = fine.getContext("2d");
  large.imageSmoothingEnabled = false;
  large.drawImage(small, 0, 0, SIDE * FINE, SIDE * FINE);
  draw();
}

function onPaper(paper) { // paper is light, waits for no frame, and announces itself before the style for it is on
  root.classList.toggle("paper", paper);
  paint();
  drawNow();
}

function draw() {
  if (!asked) asked = requestAnimationFrame(() => { asked = 0; drawNow(); });
}

function drawNow() {
  const size = canvas.width, ratio = size / canvas.clientWidth, wide = SIDE / view.zoom;
  const cell = size / wide, left = view.x - wide / 2, top = view.y - wide / 2;
  const near = cell >= 2 * FINE;
  pen.imageSmoothingEnabled = !near;
  pen.imageSmoothingQuality = "high";
  const from = near ? small : fine, k = near ? 1 : FINE;
  pen.drawImage(from, left * k, top * k, wide * k, wide * k, 0, 0, size, size);
  const closed = layers[view.layer].codes.indexOf("closed"), dot = Math.round(5 * ratio);
  if (closed >= 0 && cell < dot) { // a single open port is to be seen, however small its cell
    for (const [port, code] of current().entries()) {
      if (code === closed) continue;
      const x = (port % SIDE + 0.5 - left) * cell, y = (Math.floor(port / SIDE) + 0.5 - top) * cell;
      pen.fillStyle = `rgb(${colours[code]})`;
      pen.fillRect(Math.round(x - dot / 2), Math.round(y - dot / 2), dot, dot);
    }
  }
  if (cell >= LINES * ratio) {
    pen.fillStyle = getComputedStyle(canvas).backgroundColor;
    for (let n = Math.ceil(left); n < left + wide; n++) pen.fillRect(Math.round((n - left) * cell), 0, 1, size);
    for (let n = Math.ceil(top); n < top + wide; n++) pen.fillRect(0, Math.round((n - top) * cell), size, 1);
  }
  if (cell >= NUMBERS * ratio) letters(left, top, wide, cell, ratio);
  const across = Math.max(cell, 9 * ratio); // a ring that can be seen, in two tones that show on every colour
  const x = (view.port % SIDE + 0.5 - left) * cell - across / 2, y = (Math.floor(view.port / SIDE) + 0.5 - top) * cell - across / 2;
  for (const [colour, width] of [["#fff", 4], ["#000", 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width * ratio;
    pen.strokeRect(x, y, across, across);
  }
  canvas.style.touchAction = view.zoom > 1 ? "none" : "pan-y";
}

function letters(left, top, wide, cell, ratio) {
  const picture = current(), named = cell >= NAMES * ratio;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let row = Math.max(0, Math.floor(top)); row < Math.min(SIDE, top + wide); row++) {
    for (let column = Math.max(0, Math.floor(left)); column < Math.min(SIDE, left + wide); column++) {
      const port = row * SIDE + column, x = (column + 0.5 - left) * cell, y = (row + 0.5 - top) * cell;
      pen.fillStyle = inks[picture[port]];
      pen.font = `${12 * ratio}px system-ui, sans-serif`;
      const name = named && nameOf(port);
      pen.fillText(port, x, y - (name ? 8 * ratio : 0));
      if (!name) continue;
      pen.font = `${11 * ratio}px system-ui, sans-serif`;
      pen.fillText(name, x, y + 9 * ratio, cell - 6 * ratio);
    }
  }
}

// --- saying

function nameOf(port) { // the claim's own where claims are shown; none for a year that is past: names are today's
  if (view.layer === "history" && view.year < layers.history.days.length - 1) return "";
  return (layers[view.layer].names ?? names)[port];
}

const page = (port) => root.dataset.port.replace(/0(\/?)$/, `${port}$1`);

function say(port) {
  const link = document.createElement("a"), number = document.createElement("bdi");
  number.textContent = port;
  link.href = page(port);
  link.append(number);
  said.replaceChildren(link, ` · ${layers[view.layer].words[current()[port]]}`);
  const told = nameOf(port);
  if (!told) return;
  const name = document.createElement("bdi");
  name.textContent = told;
  name.lang = "en";
  said.append(" · ", name);
}

function sayDay() {
  const day = layers.history.days[view.year], language = document.documentElement.lang;
  const known = Intl.DateTimeFormat.supportedLocalesOf(language).length > 0;
  const text = known ? new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: "UTC" }).format(new Date(day)) : day;
  find("day").textContent = text;
  slider.value = view.year;
  slider.setAttribute("aria-valuetext", text);
}

// --- moving

const within = (low, value, high) => Math.min(high, Math.max(low, value));
const nearest = () => Math.max(2, NEAREST * SIDE / (canvas.clientWidth || SIDE));

function look() { // keep the view on the map, draw it, and its address in the address bar
  view.zoom = within(1, view.zoom, nearest());
  const half = SIDE / view.zoom / 2;
  view.x = within(half, view.x, SIDE - half);
  view.y = within(half, view.y, SIDE - half);
  draw();
  tell();
}

function zoom(factor, x, y) { // about a point of the map, which stays where it is
  const before = view.zoom;
  view.zoom = within(1, before * factor, nearest());
  view.x = x + (view.x - x) * before / view.zoom;
  view.y = y + (view.y - y) * before / view.zoom;
  look();
}

function zoomAtCursor(factor) {
  reveal();
  zoom(factor, view.port % SIDE + 0.5, Math.floor(view.port / SIDE) + 0.5);
}

function reveal() { // bring the cursor into view
  const half = Math.max(0, SIDE / view.zoom / 2 - 1.5), x = view.port % SIDE + 0.5, y = Math.floor(view.port / SIDE) + 0.5;
  view.x = within(x - half, view.x, x + half);
  view.y = within(y - half, view.y, y + half);
}

function goTo(port) {
  view.port = within(0, port, LAST);
  reveal();
  say(view.port);
  look();
}

function place(event) { // the point of the map below the pointer
  const box = canvas.getBoundingClientRect(), wide = SIDE / view.zoom;
  return {
    x: view.x + ((event.clientX - box.left) / box.width - 0.5) * wide,
    y: view.y + ((event.clientY - box.top) / box.height - 0.5) * wide,
  };
}

const portAt = ({ x, y }) => within(0, Math.floor(y), SIDE - 1) * SIDE + within(0, Math.floor(x), SIDE - 1);

const pointers = new Map();
let dragged = false, spread = 0;

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  dragged = pointers.size > 1;
  spread = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) {
    if (event.pointerType === "mouse") say(portAt(place(event)));
    return;
  }
  const step = SIDE / view.zoom / canvas.clientWidth, dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  if (!dragged && Math.hypot(dx, dy) < 5) return;
  dragged = true;
  pointers.set(event.pointerId, event);
  view.x -= dx * step / pointers.size;
  view.y -= dy * step / pointers.size;
  if (pointers.size === 2) {
    const [a, b] = pointers.values(), now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    const middle = place({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
    if (spread) zoom(now / spread, middle.x, middle.y);
    spread = now;
  }
  look();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (!pointers.delete(event.pointerId)) return;
    spread = 0;
    if (end === "pointerup" && !dragged) goTo(portAt(place(event)));
  });
}
canvas.addEventListener("pointerleave", () => say(view.port));
canvas.addEventListener("wheel", (event) => {
  const lines = event.deltaMode ? 30 : 1, factor = Math.exp(-within(-300, event.deltaY * lines, 300) / 400);
  if (factor <= 1 && view.zoom <= 1) return; // the whole map is seen: the page scrolls on
  event.preventDefault();
  const at = place(event);
  zoom(factor, at.x, at.y);
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  if (event.altKey || event.metaKey) return;
  const row = view.port - view.port % SIDE;
  const to = {
    ArrowLeft: view.port - 1, ArrowRight: view.port + 1, ArrowUp: view.port - SIDE, ArrowDown: view.port + SIDE,
    PageUp: view.port - 16 * SIDE, PageDown: view.port + 16 * SIDE,
    Home: event.ctrlKey ? 0 : row, End: event.ctrlKey ? LAST : row + SIDE - 1,
  }[event.key];
  if (to !== undefined) {
    if (to >= 0 && to <= LAST) goTo(to);
  } else if (event.ctrlKey) return;
  else if (event.key === "+" || event.key === "=") zoomAtCursor(2);
  else if (event.key === "-" || event.key === "_") zoomAtCursor(0.5);
  else if (event.key === "Enter") location.href = page(view.port);
  else return;
  event.preventDefault();
});
find("in").addEventListener("click", () => zoomAtCursor(2));
find("out").addEventListener("click", () => zoomAtCursor(0.5));

// --- layers and years

function show(layer) {
  if (layer !== "history") stop();
  view.layer = choice.value = layer;
  for (const list of root.querySelectorAll("[data-layer]")) list.hidden = list.dataset.layer !== layer;
  find("time").hidden = layer !== "history";
  find("upload").hidden = layer !== "scan";
  if (layer === "history") sayDay();
  paint();
  say(view.port);
  tell();
}

choice.addEventListener("change", () => {
  show(choice.value);
  if (choice.value === "listeners") listen(); // as it is now
});

function turn(year) {
  view.year = year;
  sayDay();
  paint();
  say(view.port);
  tell();
}

let playing = 0;
const button = find("play"), calm = matchMedia("(prefers-reduced-motion: reduce)");

function stop() {
  clearInterval(playing);
  playing = 0;
  button.setAttribute("aria-pressed", "false");
}

function next() {
  if (view.year < slider.max) turn(view.year + 1);
  if (view.year >= slider.max) stop();
}

slider.addEventListener("input", () => { stop(); turn(Number(slider.value)); });
button.addEventListener("click", () => {
  if (playing) return stop();
  if (view.year >= slider.max) turn(0);
  else if (calm.matches) turn(view.year + 1);
  if (calm.matches) return; // a year at a press
  button.setAttribute("aria-pressed", "true");
  playing = setInterval(next, 900);
});

async function listen() {
  const { codes, picture } = layers.listeners, [exposed, local, closed] = ["exposed", "local", "closed"].map((c) => codes.indexOf(c));
  try {
    const answer = await fetch(root.dataset.listeners);
    if (!answer.ok) throw new Error(answer.status);
    const rows = (await answer.json()).listeners;
    picture.fill(closed);
    for (const { port, transport, state, exposure } of rows) {
      if (!TRANSPORTS.includes(transport) || !["listen", "unconnected"].includes(state)) continue;
      picture[port] = exposure !== "loopback" || picture[port] === exposed ? exposed : local;
    }
  } catch { // not for us: the token is missing
    choice.querySelector('[value="listeners"]')?.remove();
    if (view.layer === "listeners") show("status");
    return;
  }
  if (view.layer === "listeners") { paint(); say(view.port); }
}

// --- a scan's result: the forms that atlas/scans.py reads, read as it reads them

function number(value) {
  const text = typeof value === "number" || typeof value === "string" ? String(value).trim() : "";
  if (/^\d{1,5}$/.test(text) && Number(text) <= LAST) return Number(text);
  throw new Error("no port");
}

function* fromRows(rows) {
  for (const row of rows) {
    if (row === null || typeof row !== "object" || Array.isArray(row)) throw new Error("no observation");
    for (const one of Array.isArray(row.ports) ? row.ports : [row]) {
      if (one === null || typeof one !== "object" || one.port === undefined) throw new Error("no port");
      const open = (one.outcome ?? one.status) === "open";
      if (open && TRANSPORTS.includes(one.transport ?? one.proto)) yield number(one.port);
    }
  }
}

function jsonRows(text) {
  let whole;
  try { whole = JSON.parse(text); } catch {
    const lines = text.split("\n").map((line) => line.trim().replace(/^,+|,+$/g, ""));
    const rows = lines.filter((line) => !["", "[", "]", "{finished: 1}"].includes(line));
    return (rows.length ? rows : lines).map((line) => JSON.parse(line));
  }
  whole = whole.observations ?? whole;
  return Array.isArray(whole) ? whole : [whole];
}

function* csvRows(text) {
  let row = [], cell = "", quoted = false, keys = null;
  for (let at = 0; at <= text.length; at++) {
    const c = text[at];
    if (quoted) {
      if (c === undefined) throw new Error("an open quote");
      if (c !== '"') cell += c;
      else if (text[at + 1] === '"') cell += text[at++];
      else quoted = false;
    } else if (c === '"' && !cell) quoted = true;
    else if (c !== "," && c !== "\n" && c !== undefined) cell += c;
    else {
      row.push(cell.replace(/\r$/, ""));
      cell = "";
      if (c === ",") continue;
      if (!keys) keys = row;
      else if (row.length > 1 || row[0]) yield Object.fromEntries(keys.map((key, n) => [key, row[n]]));
      row = [];
    }
  }
}

function* fromMasscan(lines) {
  for (const line of lines) {
    const [state, transport, port, address] = line.trim().split(/\s+/);
    if (!["open", "closed", "banner"].includes(state) || !address) throw new Error("not masscan's");
    if (state === "open" && TRANSPORTS.includes(transport)) yield number(port);
  }
}

function* fromList(lines) {
  const steps = new Int32Array(PORTS + 1); // where ranges begin and end: as many as there may be, each costs the same
  for (const line of lines) {
    for (const [word] of line.split("#", 1)[0].matchAll(/[^\s,]+/g)) {
      const [, first, last, transport] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(word) ?? [];
      const from = number(first), to = number(last ?? first);
      if (from > to || (transport && !TRANSPORTS.includes(transport))) throw new Error("no port");
      if (/^0\d|-0\d/.test(word)) throw new Error("a leading zero");
      steps[from]++;
      steps[to + 1]--;
    }
  }
  for (let port = 0, deep = 0; port < PORTS; port++) if ((deep += steps[port])) yield port;
}

function* fromNmap(text) {
  if (/<!ENTITY|\sxmlns[\w:]*\s*=\s*["']/.test(text)) throw new Error("entities, or elements of a page");
  const tree = new DOMParser().parseFromString(text, "text/xml");
  if (tree.documentElement.nodeName !== "nmaprun" || tree.querySelector("parsererror")) throw new Error("not nmap's");
  for (const port of tree.querySelectorAll("port")) {
    const open = port.querySelector("state")?.getAttribute("state") === "open";
    if (open && TRANSPORTS.includes(port.getAttribute("protocol"))) yield number(port.getAttribute("portid"));
  }
}

function openPorts(text) {
  text = text.trim();
  if (!text) throw new Error("empty");
  if (text[0] === "<") return new Set(fromNmap(text));
  if (text[0] === "{" || text[0] === "[") return new Set(fromRows(jsonRows(text)));
  const lines = text.split("\n").filter((line) => line.trim() && line[0] !== "#");
  if (!lines.length) return new Set();
  if (/^(open|banner)\s/.test(lines[0].trim())) return new Set(fromMasscan(lines));
  if (lines[0].trim().split(",").includes("port")) return new Set(fromRows(csvRows(text)));
  return new Set(fromList(lines));
}

find("file").addEventListener("change", async (event) => {
  const file = event.target.files[0], { codes, picture } = layers.scan;
  if (!file) return;
  try {
    if (file.size > LARGEST) throw new Error("too large");
    const ports = openPorts(await file.text());
    picture.fill(codes.indexOf("closed"));
    for (const port of ports) picture[port] = codes.indexOf("open");
    const count = new Intl.NumberFormat(document.documentElement.lang).format(ports.size);
    find("read").textContent = root.dataset.read.replace("{n}", () => count);
  } catch {
    find("read").textContent = root.dataset.unread;
  }
  if (view.layer === "scan") { paint(); say(view.port); }
});

// --- the address of a view: #layer=status&port=703&zoom=8&x=190.5&y=2.5, and year for history

let telling = 0;
function tell() {
  clearTimeout(telling);
  telling = setTimeout(() => {
    const told = new URLSearchParams({ layer: view.layer, port: view.port, zoom: +view.zoom.toFixed(2) });
    if (view.zoom > 1) { told.set("x", +view.x.toFixed(1)); told.set("y", +view.y.toFixed(1)); }
    if (view.layer === "history") told.set("year", layers.history.days[view.year].slice(0, 4));
    history.replaceState(null, "", `#${told}`);
  }, 300);
}

function read() { // whatever stands there: what is no layer, port, zoom or year is left out
  const told = new URLSearchParams(location.hash.slice(1));
  const given = (name) => told.get(name) ? Number(told.get(name)) : NaN;
  const port = given("port"), zoomed = given("zoom"), x = given("x"), y = given("y");
  if (Number.isInteger(port)) view.port = within(0, port, LAST);
  if (Number.isFinite(zoomed)) view.zoom = within(1, zoomed, nearest());
  view.x = Number.isFinite(x) ? x : view.port % SIDE + 0.5;
  view.y = Number.isFinite(y) ? y : Math.floor(view.port / SIDE) + 0.5;
  const year = layers.history.days.findIndex((day) => day.slice(0, 4) === told.get("year"));
  if (year >= 0) view.year = year;
  look();
  show([...choice.options].some((one) => one.value === told.get("layer")) ? told.get("layer") : view.layer);
  clearTimeout(telling); // it is there already
}

// --- beginning

function fit() { // as many pixels as the screen has for it
  canvas.width = canvas.height = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  if (names.length) look();
}

async function begin() {
  try {
    const answer = await fetch(root.dataset.source);
    take(await answer.json());
  } catch { // a site that is read from files: its still picture instead
    const still = new DOMParser().parseFromString(root.querySelector("noscript").textContent, "text/html");
    canvas.replaceWith(...still.images);
    return;
  }
  fit();
  read();
  if (layers.listeners) listen();
  root.dataset.ready = "";
  new ResizeObserver(fit).observe(canvas);
  addEventListener("hashchange", read);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  matchMedia("print").addEventListener("change", (print) => onPaper(print.matches));
  addEventListener("beforeprint", () => onPaper(true));
  addEventListener("afterprint", () => onPaper(false));
}
begin();
