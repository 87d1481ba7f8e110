// The page: the board, what comes in, how long it takes, and your own play.

import { Chart } from "/chart.js";
import { Line } from "/line.js";

const $ = (id) => document.getElementById(id);
const settings = await (await fetch("/settings")).json();
const line = new Line(settings.ports);
const chart = new Chart($("bars"));
const still = matchMedia("(prefers-reduced-motion: reduce)");
const number = new Intl.NumberFormat("en");

let top = []; // what is on the board: [player, score]
const boardTimes = []; // when the last boards came
const rows = new Map(); // by player: the row, while it is on the board

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function hueOf(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return hash;
}

function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

// -- the board ----------------------------------------------------------------------------------

function newRow(player) {
  const avatar = element("span", "avatar", [...player].slice(0, 2).join(""));
  avatar.setAttribute("aria-hidden", "true");
  const row = element(
    "li", "row", element("span", "rank"), avatar, element("span", "name", player),
    element("span", "points"), element("span", "track", element("span", "fill")),
  );
  row.style.setProperty("--hue", hueOf(player));
  row.querySelector(".track").setAttribute("aria-hidden", "true");
  return row;
}

function show(board) {
  const before = new Map(top.map(([player], place) => [player, place]));
  top = board.top;
  const most = Math.max(1, ...top.map(([, score]) => score));
  const shown = top.map(([player, score], place) => {
    const row = rows.get(player) ?? newRow(player);
    rows.set(player, row);
    row.querySelector(".rank").textContent = place + 1;
    row.querySelector(".points").textContent = number.format(score);
    row.querySelector(".fill").style.width = `${Math.max(0, (100 * score) / most)}%`;
    row.classList.toggle("own", player === me.name);
    return row;
  });
  const box = $("board");
  if (shown.some((row, place) => box.children[place] !== row) || box.children.length > shown.length)
    box.replaceChildren(...shown);
  const on = new Set(top.map(([player]) => player));
  for (const player of rows.keys()) if (!on.has(player)) rows.delete(player);
  if (!still.matches) top.forEach(([player], place) => move(player, before.get(player), place));
  set("version", number.format(board.version));
}

function move(player, from, to) {
  if (from === to) return;
  const row = rows.get(player);
  const start = from === undefined
    ? { opacity: 0 }
    : { transform: `translateY(${(from - to) * row.offsetHeight}px)` };
  row.animate([start, { opacity: 1, transform: "none" }], { duration: 220, easing: "ease-out" });
}

// -- your own play ------------------------------------------------------------------------------

const me = {
  name: sessionStorage.getItem("name") ?? `You ${Math.floor(Math.random() * 900 + 100)}`,
  seq: Date.now() * 1000, // more than that of an earlier page with this name
  score: null,
  sent: [], // { score, at }: what no board has shown yet
};

function play(by) {
  if (!me.name || top.length === 0) return;
  if (me.score === null) me.score = top[Math.floor(top.length / 2)][1] + 1;
  me.score += by;
  me.seq += 1;
  const at = performance.now();
  if (line.score(me.name, me.seq, me.score)) me.sent = [...me.sent, { score: me.score, at }].slice(-50);
}

function playForMe() {
  if (!$("auto").checked || document.hidden || top.length < 3) return;
  if (me.score === null) return play(0);
  // Somewhere in the middle of the board, so that it can be seen.
  const aim = top[1 + Math.floor(Math.random() * (top.length - 2))][1];
  const by = aim - me.score + Math.floor(Math.random() * 21) - 10;
  play(by === 0 ? 1 : by);
}

function see(board) {
  const mine = board.top.find(([player]) => player === me.name);
  const place = board.top.indexOf(mine);
  set(
    "you-text",
    mine ? `Place ${place + 1}, with ${number.format(mine[1])} points.` : "Not among the best ten.",
  );
  const seen = mine ? me.sent.findIndex(({ score }) => score === mine[1]) : -1;
  if (seen < 0) return;
  const now = performance.now();
  me.sent.slice(0, seen + 1).forEach(({ at }) => chart.add(now - at));
  me.sent = me.sent.slice(seen + 1);
  set("here-p50", chart.share(0.5).toFixed(0));
  set("here-p99", `${chart.share(0.99).toFixed(0)} ms`);
  set("here-text", `Measured here, with ${chart.took.length} of your own scores: the median.`);
}

$("name").value = me.name;
$("name").addEventListener("change", () => {
  const name = $("name").value.trim();
  if (!name) return;
  Object.assign(me, { name, score: null, sent: [], seq: Date.now() * 1000 });
  sessionStorage.setItem("name", name);
});
$("score").addEventListener("click", () => play(10 + Math.floor(Math.random() * 90)));
setInterval(playForMe, 500);

// -- what is told beside it ---------------------------------------------------------------------

async function tell(path, what) {
  await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(what),
  });
}

for (const deed of ["kill", "cut", "deafen"])
  $(deed).addEventListener("click", () => tell("/deed", { deed }));

$("rate").addEventListener("input", () => set("rate-text", number.format($("rate").value)));
$("rate").addEventListener("change", () => tell("/rate", { rate: Number($("rate").value) }));

function showNumbers(numbers) {
  const whole = (value) => number.format(Math.round(value));
  const took = (value) => (value === null ? "–" : `${value.toFixed(0)} ms`);
  for (const name of ["sent", "taken", "busy"]) set(name, `${whole(numbers[name])} a second`);
  set("waiting", numbers.waiting < 0 ? "not known" : whole(numbers.waiting));
  set("scores-second", whole(numbers.sent));
  set("all-p50", took(numbers.p50));
  set("all-p99", took(numbers.p99));
  if (document.activeElement !== $("rate")) {
    $("rate").value = numbers.rate;
    set("rate-text", number.format(numbers.rate));
  }
  $("workers").replaceChildren(
    ...Object.entries(numbers.workers).map(([name, why]) =>
      element("li", why ? "dead" : "alive", `${name}: ${why || "at work"}`),
    ),
  );
  const deaf = numbers.deaf === 1 ? "One viewer reads" : `${numbers.deaf} viewers read`;
  set("deaf", numbers.deaf ? `${deaf} nothing.` : "");
}

async function lookAtNumbers() {
  try {
    showNumbers(await (await fetch("/numbers")).json());
  } catch {
    // The program has ended; the line says so.
  }
  const recent = boardTimes.filter((at) => at > performance.now() - 2000);
  boardTimes.splice(0, boardTimes.length, ...recent);
  set("boards-second", String(Math.round(recent.length / 2)));
}

// -- the line -----------------------------------------------------------------------------------

const MOODS = { open: ["good", "live"], connecting: ["busy", "connecting"], waiting: ["bad", "not connected"] };

line.addEventListener("change", () => {
  const [mood, text] = MOODS[line.state];
  $("state").dataset.mood = mood;
  set("state-text", text);
});
line.addEventListener("board", ({ detail }) => {
  boardTimes.push(performance.now());
  show(detail);
  see(detail);
});

set("serving", settings.serving);
line.start();
lookAtNumbers();
setInterval(lookAtNumbers, 500);
