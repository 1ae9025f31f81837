// What the active batches of a space did since the page was opened: a sample a second, the last ten minutes.
import { hasEnded, isMoving } from "./states.js";

const KEPT = 600;

/** Pure: the sums over batches. */
export function totals(batches) {
  const sum = (of) => batches.reduce((all, batch) => all + of(batch), 0);
  return {
    // What one that is held last did is no throughput.
    throughput: sum((batch) => (isMoving(batch) && batch.rate_per_s) || 0),
    running: sum(({ counts }) => counts.processing),
    backlog: sum(({ counts }) => counts.pending + counts.queued + counts.retrying + counts.waiting),
    failures: sum(({ counts }) => counts.failed),
  };
}

/** Samples of some numbers over time. */
export class Series {
  #times = [];
  #values = {};

  add(time, values) {
    this.#times.push(time);
    if (this.#times.length > KEPT) this.#times.shift();
    for (const [name, value] of Object.entries(values)) {
      const kept = (this.#values[name] ||= []);
      kept.push(value);
      if (kept.length > KEPT) kept.shift();
    }
  }

  /** As the chart takes it. */
  of(name) {
    return [[...this.#times], [...(this.#values[name] || [])]];
  }
}

/** The batches of a space that have not ended, as they were heard of last. */
export class Activity {
  #batches = new Map();
  series = new Series();

  /** What a list of all active batches says. */
  replace(batches) {
    this.#batches = new Map(batches.map((batch) => [batch.id, batch]));
  }

  /** What an event says of one. True where it is another state than before. */
  hear(batch) {
    const before = this.#batches.get(batch.id);
    if (hasEnded(batch)) this.#batches.delete(batch.id);
    else this.#batches.set(batch.id, { ...before, ...batch });
    return before?.state !== batch.state;
  }

  list() {
    return [...this.#batches.values()].sort((one, other) => (one.id < other.id ? 1 : -1));
  }

  sample(time) {
    const now = totals(this.list());
    this.series.add(time, now);
    return now;
  }
}
