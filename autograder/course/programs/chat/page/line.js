// A room over a WebSocket that comes back: what was missed is asked for by id, what may not have
// arrived is said again by key, silence is noticed, and the waits have full jitter.

const BASE = 500; // ms: bound of the first wait; it doubles with every failure
const CAP = 15_000; // ms
const PATIENCE = 5_000; // ms until the welcome
const BEAT = 2_000; // ms between a pong and the next ping
const SILENCE = 3_000; // ms without a pong after which the line counts as dead
const POLICY_VIOLATION = 1008;

export class Line extends EventTarget {
  state = "new"; // then "connecting", "open", "waiting", "refused"
  last = 0; // id of the last message
  names = [];
  pending = new Map(); // by key: what was said and has not come back as a message
  connections = 0;
  waits = 0;
  until = 0; // when the wait is over, by performance.now()
  why = "";
  beats = []; // the last answers to pings, in ms; null for one that stayed out
  asked = null; // when the ping was sent whose pong is awaited
  #socket = null;
  #timers = {};
  #said = 0;
  #session = Math.random().toString(36).slice(2, 8);

  constructor(url, room, name) {
    super();
    this.url = url;
    this.room = room;
    this.name = name;
  }

  start() {
    this.#connect();
  }

  stop() {
    const socket = this.#socket;
    this.#drop("stopped");
    socket?.close();
  }

  say(text) {
    this.#said += 1;
    const said = { type: "say", key: `${this.#session}-${this.#said}`, text };
    this.pending.set(said.key, said);
    this.#tell("pending", said);
    if (this.state === "open") this.#send(said);
  }

  comeBackNow() {
    if (this.state === "waiting") this.#connect();
  }

  #connect() {
    this.#stopTimers();
    this.state = "connecting";
    this.connections += 1;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    const mine = (act) => (event) => socket === this.#socket && act(event);
    socket.onopen = mine(() =>
      this.#send({ type: "join", room: this.room, name: this.name, after: this.last }),
    );
    socket.onmessage = mine((event) => this.#hear(event.data));
    socket.onclose = mine((event) => this.#ended(event.code));
    this.#timers.patience = setTimeout(() => this.#lost("no welcome came"), PATIENCE);
    this.#tell("change");
  }

  #ended(code) {
    if (code !== POLICY_VIOLATION) return this.#lost("the connection was lost");
    this.why = "the server does not want us";
    this.#drop("refused");
    this.#tell("change");
  }

  #lost(why) {
    const socket = this.#socket;
    this.#drop("waiting");
    socket?.close();
    const bound = Math.min(CAP, BASE * 2 ** Math.min(this.waits, 20));
    const wait = Math.random() * bound; // full jitter: anything between nothing and the bound
    this.waits += 1;
    this.why = why;
    this.until = performance.now() + wait;
    this.#timers.wait = setTimeout(() => this.#connect(), wait);
    this.#note(`${why}; again in ${(wait / 1000).toFixed(1)} s`);
    this.#tell("change");
  }

  #drop(state) {
    this.#stopTimers();
    this.#socket = null; // what an old socket still says is not heard any more
    this.state = state;
    this.asked = null;
  }

  #stopTimers() {
    Object.values(this.#timers).forEach(clearTimeout);
    this.#timers = {};
  }

  #send(event) {
    const text = JSON.stringify(event);
    this.#tell("wire", { up: true, text });
    this.#socket.send(text);
  }

  #hear(text) {
    this.#tell("wire", { up: false, text });
    const event = JSON.parse(text);
    if (event.type === "welcome") this.#welcome(event);
    else if (event.type === "message") this.#take(event, true);
    else if (event.type === "pong") this.#pong(event.at);
    else if (event.type === "joined" || event.type === "left") this.#presence(event);
  }

  #welcome(event) {
    clearTimeout(this.#timers.patience);
    this.state = "open";
    this.waits = 0;
    this.names = event.names;
    for (const message of event.messages) this.#take(message, false);
    // What has not come back may not have arrived. The server knows the keys of what did.
    for (const said of this.pending.values()) this.#send(said);
    this.#ping();
    this.#tell("change");
  }

  #take(message, live) {
    if (message.id <= this.last) {
      if (live) this.#beginAnew(); // numbers that go back: the server has lost its memory
      return;
    }
    this.last = message.id;
    if (message.name === this.name) this.pending.delete(message.key);
    this.#tell("message", message);
  }

  #beginAnew() {
    this.last = 0;
    this.#tell("forgotten");
    this.#lost("the server has begun a new history");
  }

  #presence({ type, name }) {
    const others = this.names.filter((other) => other !== name);
    this.names = type === "joined" ? [...others, name].sort() : others;
    this.#tell("presence", { type, name });
    this.#tell("change");
  }

  #ping() {
    this.asked = Math.round(performance.now());
    this.#send({ type: "ping", at: this.asked });
    this.#timers.silence = setTimeout(() => {
      this.#beat(null);
      this.#lost("no answer to a ping");
    }, SILENCE);
  }

  #pong(at) {
    if (at !== this.asked) return;
    clearTimeout(this.#timers.silence);
    this.#beat(performance.now() - at);
    this.asked = null;
    this.#timers.beat = setTimeout(() => this.#ping(), BEAT);
  }

  #beat(took) {
    this.beats = [...this.beats, took].slice(-24);
    this.#tell("change");
  }

  #note(text) {
    this.#tell("wire", { note: true, text });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
