// What moves in a space: one stream of events for the whole page. Where there is none, views ask every two seconds.

const RETRY_MS = 10_000;
const EVENTS = ["batch_progress", "batch_job_complete"];

/** How often views ask, by how the page hears of changes. */
export const PERIOD_MS = { live: 10_000, polling: 2_000 };

class Live {
  mode = "polling";
  #space = null;
  #source = null;
  #timer = null;
  #listeners = new Set();

  /** Calls `listener` with `{batch}` or `{mode}`; answers how to stop that. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  open(space) {
    if (space === this.#space) return;
    this.#space = space;
    this.#connect();
  }

  /** A page that nobody sees gives its connection up: a browser has only six for all pages of a server. */
  seen(isSeen) {
    this.#close();
    if (isSeen && this.#space !== null) this.#connect();
  }

  #connect() {
    this.#close();
    const source = new EventSource(`/v1/events?${new URLSearchParams({ space: this.#space })}`);
    this.#source = source;
    source.onopen = () => this.#become("live");
    source.onerror = () => {
      this.#close();
      this.#become("polling");
      this.#timer = setTimeout(() => this.#connect(), RETRY_MS);
    };
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#heard(event.data));
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #become(mode) {
    if (mode === this.mode) return;
    this.mode = mode;
    this.#tell({ mode });
  }

  #heard(data) {
    const { batch } = JSON.parse(data);
    if (batch?.space === this.#space) this.#tell({ batch });
  }

  #tell(event) {
    for (const listener of [...this.#listeners]) listener(event);
  }
}

export const live = new Live();

document.addEventListener("visibilitychange", () => live.seen(!document.hidden));
// A page that is left may be kept for the way back, with its connections.
addEventListener("pagehide", () => live.seen(false));
addEventListener("pageshow", (event) => event.persisted && live.seen(true));
