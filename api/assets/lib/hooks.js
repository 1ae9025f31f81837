// Hooks that views share.
import { useEffect, useRef, useState } from "./html.js";
import { live, PERIOD_MS } from "./live.js";
import { here } from "./router.js";

export function useRoute() {
  const [route, setRoute] = useState(here);
  useEffect(() => {
    const changed = () => setRoute(here());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** Calls `listener` with what the stream of events says. */
export function useLive(listener) {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => live.subscribe((event) => latest.current(event)), []);
}

export function useMode() {
  const [mode, setMode] = useState(live.mode);
  useLive((event) => event.mode && setMode(event.mode));
  return mode;
}

/** The time, often enough for texts like "3 s ago". */
export function useNow(period = 5_000) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}

/** What `value` is once it has not changed for a moment: nobody searches for half a word. */
export function useSettled(value, delay = 200) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);
  return settled;
}

/**
 * Something that is read again and again: `{data, error, loading, reload}`. `load` gets a signal; it is called anew where
 * `key` changes, on `reload()`, and after every period (in milliseconds; by default as the page's mode says; 0: never).
 */
export function useResource(key, load, { period, keep = false } = {}) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const mode = useMode();
  const again = useRef(() => {});
  const loader = useRef(load);
  loader.current = load;
  const every = period ?? PERIOD_MS[mode];
  useEffect(() => {
    setState((old) => ({ data: keep ? old.data : null, error: null, loading: true }));
  }, [key]);
  useEffect(() => {
    const control = new AbortController();
    let timer = null;
    let first = true;
    const read = async () => {
      clearTimeout(timer);
      if (!document.hidden || first) {
        first = false;
        try {
          const data = await loader.current(control.signal);
          if (!control.signal.aborted) setState({ data, error: null, loading: false });
        } catch (error) {
          if (error.name === "AbortError") return;
          if (!control.signal.aborted) setState((old) => ({ ...old, error, loading: false }));
        }
      }
      if (every && !control.signal.aborted) timer = setTimeout(tick, every);
    };
    // One request at a time: whoever asks meanwhile gets the answer of one that begins afterwards, together with others.
    let running = null;
    let next = null;
    const tick = () => {
      if (running) return (next ||= running.then(() => tick()));
      next = null;
      running = read().finally(() => (running = null));
      return running;
    };
    const seen = () => !document.hidden && every && tick();
    again.current = tick;
    document.addEventListener("visibilitychange", seen);
    tick();
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, every]);
  return { ...state, reload: () => again.current() };
}
