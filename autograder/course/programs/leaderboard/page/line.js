// A WebSocket to one of the gateways, that comes back: the waits have full jitter.

const BASE = 300; // ms: bound of the first wait; it doubles with every failure
const CAP = 8_000; // ms

export class Line extends EventTarget {
  state = "connecting"; // or "open", "waiting"
  version = -1;
  #ports;
  #socket = null;
  #failures = 0;

  constructor(ports) {
    super();
    this.#ports = ports;
  }

  start() {
    this.#become("connecting");
    const port = this.#ports[Math.floor(Math.random() * this.#ports.length)];
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    this.#socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: "watch" }));
      this.#become("open");
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => {
      this.#become("waiting");
      this.#failures += 1;
      const bound = Math.min(CAP, BASE * 2 ** Math.min(this.#failures, 10));
      setTimeout(() => this.start(), Math.random() * bound);
    };
  }

  score(player, seq, score) {
    if (this.state !== "open") return false;
    this.#socket.send(JSON.stringify({ type: "score", player, seq, score }));
    return true;
  }

  #hear(said) {
    this.#failures = 0;
    if (said.type === "board") {
      if (said.version < this.version) console.warn(`version ${said.version} after ${this.version}`);
      this.version = said.version;
    }
    this.dispatchEvent(new CustomEvent(said.type, { detail: said }));
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}
