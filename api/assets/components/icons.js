// Small drawings, 16 by 16, in the colour of the text around them. They never stand for a word that is not there.
import { html } from "../lib/html.js";

const PATHS = {
  overview: "M2 13h12M4 10.5v-3M8 10.5v-7M12 10.5v-5",
  batches: "M2.5 4h11M2.5 8h11M2.5 12h7",
  dead: "M3 4.5h10v8H3zM3 7.5h3l1 1.5h2l1-1.5h3",
  workers: "M3 3h10v4H3zM3 9h10v4H3zM5.5 5h.01M5.5 11h.01",
  types: "M8 2 13.5 5v6L8 14 2.5 11V5zM2.5 5 8 8l5.5-3M8 8v6",
  plus: "M8 3v10M3 8h10",
  succeeded: "M3 8.5 6.5 12 13 4.5",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M4.2 4.2l7.6 7.6",
  processing: "M5 3.5v9l7-4.5z",
  queued: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  waiting: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M8 5v3l2 1.5",
  retrying: "M12.8 6A5.2 5.2 0 1 0 13 9.5M13 2.5V6H9.5",
  pending: "M8 3a5 5 0 1 0 0 10a5 5 0 0 0 0-10",
  paused: "M5.5 4v8M10.5 4v8",
  open: "M8 3v7M5 7l3 3 3-3M3 13h10",
  limit: "M2.5 12a6 6 0 1 1 11 0M8 9.5 11 6",
  warn: "M8 2.5 14 13H2zM8 6.5v3M8 11.2h.01",
  download: "M8 2.5v7M5 7l3 3 3-3M3 13h10",
  trash: "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.5 9h6l.5-9",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9M10.5 10.5 14 14",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  sun: "M8 5a3 3 0 1 0 0 6a3 3 0 0 0 0-6M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M12.6 3.4l-.7.7M4.1 11.9l-.7.7",
  moon: "M13.5 9.5A6 6 0 1 1 6.5 2.5a5 5 0 0 0 7 7",
  back: "M9.5 3.5 5 8l4.5 4.5",
  next: "M6.5 3.5 11 8l-4.5 4.5",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
};

export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;

/** Two sails and the sea. */
export const Logo = () => html`<svg class="logo" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" focusable="false">
  <rect width="32" height="32" rx="7" /><path class="sails" d="M15 6v14H6.5zM17 9.5l8 10.5h-8z" />
  <path class="sea" d="M5 24q2.75-2.5 5.5 0t5.5 0 5.5 0 5.5 0" />
</svg>`;
