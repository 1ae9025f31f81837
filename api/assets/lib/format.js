// Numbers and times as people read them. Pure.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

export const count = (n) => (n === null || n === undefined ? "–" : NUMBER.format(n));
export const compact = (n) => (n < 10_000 ? NUMBER.format(n) : COMPACT.format(n));
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** Never "100 %" before the end, nor "0 %" after the beginning. */
export function percent(part, whole) {
  if (!whole) return "0 %";
  const value = (100 * part) / whole;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value < 10 || value > 99 ? +value.toFixed(1) : Math.round(value)} %`;
}

export function rate(perSecond) {
  if (!perSecond) return "0/s";
  if (perSecond < 0.95) return `${+(perSecond * 60).toPrecision(2)}/min`;
  return `${perSecond < 10 ? perSecond.toFixed(1) : compact(Math.round(perSecond))}/s`;
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1) return "< 1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const s = ms / 1_000;
  if (s < 59.95) return `${+s.toFixed(1)} s`;
  const minutes = Math.round(s / 60);
  if (s < 3_600) return `${Math.floor(s / 60)} min${s % 60 >= 1 && s < 600 ? ` ${Math.floor(s % 60)} s` : ""}`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${Math.round(s / 86_400)} d`;
}

/** "about 3 min", "1–2 h": what is left, by the two ends of the estimate, as exactly as such a thing is known. */
export function eta(range) {
  if (!range) return null;
  const [unit, seconds] = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]].find(([, size]) => range.high_s >= 1.5 * size || size === 1);
  const [low, high] = [range.low_s, range.high_s].map((s) => Math.max(1, Math.round(s / seconds)));
  return low === high ? `about ${high} ${unit}` : `${low}–${high} ${unit}`;
}

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  let value = n;
  while (value >= 1_000 && power < units.length - 1) {
    value /= 1_000;
    power += 1;
  }
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

export function ago(time, now) {
  const ms = now - Date.parse(time);
  if (ms < 0) return `in ${roughly(-ms)}`;
  return ms < 2_000 ? "just now" : `${roughly(ms)} ago`;
}

function roughly(ms) {
  const s = ms / 1_000;
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3_600) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3_600) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

export const absolute = (time) => DATE.format(new Date(time));
export const shortId = (id) => `…${id.slice(-6)}`;
/** What is still being uploaded has no job type yet. */
export const title = (batch) => batch.name || `${batch.job_type || "Upload"} ${shortId(batch.id)}`;

/** A sentence of the API without what only programs do, and with times as people write them. */
export const sentence = (detail) =>
  detail.replace(/[;:]? (?:POST|PATCH) [^;]*/g, "").replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => absolute(time));

/** JSON for people, and how long it is. */
export function pretty(value) {
  return JSON.stringify(value, null, 2) ?? "–";
}
