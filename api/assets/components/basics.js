// Small pieces that every view is made of.
import { html, useState } from "../lib/html.js";
import { absolute, ago, pretty } from "../lib/format.js";
import { useNow } from "../lib/hooks.js";
import { Icon } from "./icons.js";
import { say } from "./toast.js";

/** A time as people say it; the exact one is its title. */
export function Time({ at }) {
  const now = useNow();
  if (!at) return html`<span class="muted">–</span>`;
  return html`<time datetime=${at} title=${absolute(at)}>${ago(at, now)}</time>`;
}

/** A section with a heading, and what stands right of it. */
export const Card = ({ title, aside, children, kind }) => html`<section class=${`card ${kind || ""}`}>
  ${title && html`<header><h2>${title}</h2>${aside}</header>`}${children}
</section>`;

/** A list of names and values; those without a value are left out. */
export const Facts = ({ of }) => html`<dl class="facts">
  ${of.filter(([, value]) => value !== null && value !== undefined && value !== "").map(
    ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`,
  )}
</dl>`;

/** What the API says went wrong. */
export const Problem = ({ error, again }) => html`<div class="problem" role="alert">
  <${Icon} name="warn" /><div><b>${error.problem?.title || "Something went wrong"}</b><p>${error.message}</p></div>
  ${again && html`<button onClick=${again}>Try again</button>`}
</div>`;

export const Empty = ({ title, children }) => html`<div class="empty"><h2>${title}</h2>${children}</div>`;

/** What stands for something until it is there. */
export function Loaded({ resource, children }) {
  if (resource.data) {
    return html`${resource.error && html`<${Problem} error=${resource.error} />`}${children(resource.data)}`;
  }
  if (resource.error) return html`<${Problem} error=${resource.error} again=${resource.reload} />`;
  return html`<p class="loading" aria-busy="true">Loading …</p>`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    say("The browser does not let this page copy; select the text instead", "error");
  }
}

export const Copyable = ({ text, label }) => html`<div class="copyable">
  <pre tabindex="0">${text}</pre>
  <button class="quiet" onClick=${() => copy(text)} aria-label=${`Copy ${label}`}><${Icon} name="copy" />Copy</button>
</div>`;

const SHORT = 2_000;

/** JSON; of a long one the beginning, until somebody asks for the rest. */
export function Json({ value, label }) {
  const [whole, setWhole] = useState(false);
  const text = pretty(value);
  const cut = !whole && text.length > SHORT;
  return html`<div class="json">
    <pre tabindex="0" aria-label=${label}>${cut ? `${text.slice(0, SHORT)} …` : text}</pre>
    <div class="row">
      <button class="quiet" onClick=${() => copy(text)} aria-label=${`Copy ${label}`}><${Icon} name="copy" />Copy</button>
      ${cut && html`<button class="quiet" onClick=${() => setWhole(true)}>Show all ${text.length.toLocaleString("en")} characters</button>`}
    </div>
  </div>`;
}

/** Pages by cursor: those before are remembered, because the API only knows the next one. */
export function usePages(key) {
  const [pages, setPages] = useState({ key, cursors: [null] });
  const cursors = pages.key === key ? pages.cursors : [null];
  return {
    cursor: cursors.at(-1),
    number: cursors.length,
    next: (cursor) => setPages({ key, cursors: [...cursors, cursor] }),
    back: () => setPages({ key, cursors: cursors.slice(0, -1) }),
    jump: (cursor) => setPages({ key, cursors: [null, cursor] }),
  };
}

export const Pager = ({ pages, next }) =>
  (pages.number > 1 || next) &&
  html`<nav class="pager" aria-label="Pages">
    <button disabled=${pages.number === 1} onClick=${pages.back}><${Icon} name="back" />Previous</button>
    <span class="num">Page ${pages.number}</span>
    <button disabled=${!next} onClick=${() => pages.next(next)}>Next<${Icon} name="next" /></button>
  </nav>`;
