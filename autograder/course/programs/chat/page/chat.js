// The page: rooms, messages, who is here, and how the line is.

import { Line } from "/line.js";

const ROOMS = ["lobby", "lamps", "tea"];
const FRAMES = 60; // of the wire's log that are kept
const $ = (id) => document.getElementById(id);
const settings = await (await fetch("/settings")).json();
const lineName = crypto.randomUUID(); // of this page, all its rooms: the router knows it by this

const rooms = new Map(); // by name
let current = null;

// -- small things -------------------------------------------------------------------------------

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

function avatar(name) {
  const made = element("span", "avatar", [...name.trim()].slice(0, 2).join("") || "?");
  made.setAttribute("aria-hidden", "true");
  made.style.setProperty("--hue", hueOf(name));
  return made;
}

function myName() {
  return $("name").value.trim();
}

function remembered() {
  const known = sessionStorage.getItem("name");
  if (known) return known;
  const guests = ["ada", "bob", "cem", "dia", "eva", "fay", "gus", "ida", "kai", "mia"];
  return guests[Math.floor(Math.random() * guests.length)];
}

// -- rooms --------------------------------------------------------------------------------------

class Room {
  constructor(name) {
    this.name = name;
    this.items = []; // elements of the log, oldest first
    this.unread = 0;
    this.lastAuthor = null;
    this.waiting = new Map(); // by key: elements of what was said and not yet confirmed
  }

  open() {
    const url = `ws://${location.hostname}:${settings.port}/?line=${lineName}`;
    this.line = new Line(url, this.name, myName());
    this.line.addEventListener("change", () => this === current && showLine());
    this.line.addEventListener("message", ({ detail }) => this.#message(detail));
    this.line.addEventListener("pending", ({ detail }) => this.#pending(detail));
    this.line.addEventListener("presence", ({ detail }) => this.#presence(detail));
    this.line.addEventListener("forgotten", () => this.#forgotten());
    this.line.addEventListener("wire", ({ detail }) => this === current && showFrame(detail));
    this.line.start();
  }

  rename(name) {
    const last = this.line.last;
    this.line.stop();
    this.open();
    this.line.last = last;
    this.line.name = name;
  }

  #message(message) {
    const waiting = this.waiting.get(message.key);
    if (waiting && message.name === this.line.name) {
      this.waiting.delete(message.key);
      waiting.remove();
      this.items = this.items.filter((item) => item !== waiting);
    }
    this.#add(this.#row(message.name, message.text, `#${message.id}`));
    this.lastAuthor = message.name;
    if (this !== current || document.hidden) this.unread += 1;
    showRooms();
  }

  #pending({ key, text }) {
    const row = this.#row(this.line.name, text, "on its way");
    row.classList.add("pending");
    this.waiting.set(key, row);
    this.#add(row);
    showLine();
  }

  #presence({ type, name }) {
    this.#add(element("li", "event", `${name} ${type}`));
    this.lastAuthor = null;
  }

  #forgotten() {
    this.items = [];
    this.lastAuthor = null;
    if (this === current) $("messages").replaceChildren();
    this.#add(element("li", "event", "The server has lost its memory. Here it begins anew."));
  }

  #row(name, text, id) {
    const row = element("li", "message");
    const again = name === this.lastAuthor;
    if (again) row.classList.add("again");
    if (name === this.line.name) row.classList.add("own");
    const said = element("p", "text", text);
    const number = element("span", "id", id);
    const head = element("p", "author", element("span", "name", name));
    if (again) head.classList.add("unseen");
    row.append(avatar(name), element("div", "body", head, said), number);
    return row;
  }

  #add(item) {
    // What is on its way stays below what has been said.
    const first = this.waiting.values().next().value;
    const before = first && first !== item && !item.classList.contains("pending") ? first : null;
    const place = before ? this.items.indexOf(before) : this.items.length;
    this.items.splice(place, 0, item);
    if (this !== current) return;
    $("messages").insertBefore(item, before);
    keepAtEnd();
  }
}

// Whoever reads at the end of the log stays there, also when the window changes; whoever has
// scrolled up is left in peace.
let atEnd = true;
function keepAtEnd() {
  if (atEnd) $("log").scrollTop = $("log").scrollHeight;
}
$("log").addEventListener("scroll", () => {
  const log = $("log");
  atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 60;
});
new ResizeObserver(keepAtEnd).observe($("log"));

function visit(name) {
  if (!rooms.has(name)) rooms.set(name, new Room(name));
  const room = rooms.get(name);
  current = room;
  room.unread = 0;
  $("title").textContent = name;
  $("say-label").textContent = `Say something in ${name}`;
  $("text").placeholder = `Say something in ${name}`;
  $("messages").replaceChildren(...room.items);
  atEnd = true;
  keepAtEnd();
  $("wire").replaceChildren();
  if (!room.line) room.open();
  showRooms();
  showLine();
}

// -- what is shown ------------------------------------------------------------------------------

function showRooms() {
  const names = [...new Set([...ROOMS, ...rooms.keys()])];
  const focused = document.activeElement?.dataset?.room;
  $("rooms").replaceChildren(
    ...names.map((name) => {
      const button = element("button", "", element("span", "hash", "#"), name);
      button.type = "button";
      button.dataset.room = name;
      if (current?.name === name) button.setAttribute("aria-current", "page");
      const unread = rooms.get(name)?.unread ?? 0;
      if (unread) {
        const count = element("span", "count", String(unread));
        count.append(element("span", "unseen", " unread"));
        button.append(count);
      }
      button.addEventListener("click", () => visit(name));
      return element("li", "", button);
    }),
  );
  if (focused) document.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  document.title = unread ? `(${unread}) Chat` : "Chat";
}

function inWords(line) {
  const seconds = (ms) => `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const now = performance.now();
  if (line.state === "connecting") return "connecting";
  if (line.state === "waiting")
    return `${line.why}; attempt ${line.waits} in ${seconds(line.until - now)}`;
  if (line.state === "refused") return line.why;
  if (line.asked && now - line.asked > 700) return `no answer for ${seconds(now - line.asked)}`;
  const took = line.beats.at(-1);
  return took == null ? "connected" : `connected, answers in ${Math.max(1, Math.round(took))} ms`;
}

function moodOf(line) {
  if (line.state === "open") return line.asked && performance.now() - line.asked > 700 ? "bad" : "good";
  return line.state === "connecting" ? "busy" : "bad";
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let saidBefore = "";
function showState() {
  const { line } = current;
  const mood = moodOf(line);
  $("state").dataset.mood = mood;
  // The countdown moves; a screen reader is told of a new state only.
  const spoken = `${line.state} ${mood} ${line.waits}`;
  $("state").setAttribute("aria-live", spoken === saidBefore ? "off" : "polite");
  saidBefore = spoken;
  setText($("state-text"), inWords(line));
}

function showLine() {
  const { line } = current;
  showState();
  $("people").replaceChildren(
    ...line.names.map((name) => {
      const person = element("li", "", avatar(name), name);
      if (name === line.name) person.append(element("span", "you", "you"));
      return person;
    }),
  );
  const stale = line.state !== "open" && line.names.length > 0;
  $("people").classList.toggle("stale", stale);
  setText($("here-count"), stale ? ", as last heard" : line.names.length ? ` ${line.names.length}` : "");
  setText($("fact-last"), line.last ? `#${line.last}` : "none");
  setText($("fact-connections"), String(line.connections));
  setText($("fact-pending"), String(line.pending.size));
  showBeats(line.beats);
}

function showBeats(beats) {
  const bars = beats.map((took) => {
    const bar = element("span", took == null ? "missed" : "");
    const height = took == null ? 100 : 18 + Math.min(70, Math.log2(1 + took) * 14);
    bar.style.setProperty("height", `${height}%`);
    return bar;
  });
  $("beats").replaceChildren(...bars);
  const missed = beats.filter((took) => took == null).length;
  setText(
    $("beats-text"),
    beats.length ? `last ${beats.length} pings, ${missed || "none"} unanswered` : "no ping yet",
  );
}

function showFrame({ up, note, text }) {
  const arrow = element("span", "way", note ? "·" : up ? "↑" : "↓");
  arrow.setAttribute("aria-label", note ? "note" : up ? "sent" : "received");
  arrow.setAttribute("role", "img");
  const kind = note ? "note" : up ? "up" : "down";
  const wire = $("wire");
  wire.append(element("li", kind, arrow, element("span", "", text)));
  while (wire.children.length > FRAMES) wire.firstChild.remove();
  wire.scrollTop = wire.scrollHeight;
}

// -- what people do -----------------------------------------------------------------------------

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  current.line.say(text);
  $("text").value = "";
  atEnd = true;
  keepAtEnd();
});

$("me").addEventListener("submit", (event) => {
  event.preventDefault();
  $("text").focus();
});

$("name").addEventListener("change", () => {
  if (!myName()) $("name").value = remembered();
  sessionStorage.setItem("name", myName());
  for (const room of rooms.values()) if (room.line) room.rename(myName());
  showLine();
});

$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("room").value.trim().toLowerCase();
  $("room").value = "";
  if (name) visit(name);
});

function doToLine(deed) {
  return fetch(`/line/${deed}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ line: lineName }),
  });
}

$("cut").addEventListener("click", () => doToLine("cut"));
$("forget").addEventListener("click", () => doToLine("forget"));
$("shut").addEventListener("click", () => {
  const shut = $("shut").getAttribute("aria-pressed") !== "true";
  $("shut").setAttribute("aria-pressed", String(shut));
  doToLine(shut ? "shut" : "open");
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  showRooms();
});
window.addEventListener("online", () => current?.line.comeBackNow());

setText($("serving"), settings.serving.replaceAll("/", "/\u200b")); // where it may wrap
$("line-details").open = matchMedia("(min-width: 60rem)").matches;
$("name").value = remembered();
sessionStorage.setItem("name", myName());
visit("lobby");
setInterval(showState, 100);
$("text").focus();
