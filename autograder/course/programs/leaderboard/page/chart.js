// Latencies as they come: the last of them as bars, and what a hundred of them say.

const SHOWN = 40;
const KEPT = 200;
const FULL = 250; // ms: as high as the chart is

export class Chart {
  took = [];
  #box;

  constructor(box) {
    this.#box = box;
  }

  add(milliseconds) {
    this.took = [...this.took, milliseconds].slice(-KEPT);
    this.#box.replaceChildren(
      ...this.took.slice(-SHOWN).map((one) => {
        const bar = document.createElement("span");
        bar.style.height = `${Math.max(3, Math.min(100, (100 * one) / FULL))}%`;
        if (one > FULL) bar.className = "late";
        return bar;
      }),
    );
  }

  share(part) {
    const ordered = [...this.took].sort((a, b) => a - b);
    return ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * part))];
  }
}
