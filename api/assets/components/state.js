// States: always a glyph and a word, never a colour alone.
import { html } from "../lib/html.js";
import { count, percent } from "../lib/format.js";
import { ITEM_STATES } from "../lib/states.js";
import { Icon } from "./icons.js";

const GLYPHS = { completed: "succeeded", cancelling: "cancelled" };

export const State = ({ name }) =>
  html`<span class="state ${name}"><${Icon} name=${GLYPHS[name] || name} />${name}</span>`;

const parts = (counts) => ITEM_STATES.map((state) => [state, counts[state] || 0]).filter(([, n]) => n > 0);

/** A bar with a segment for each state that items are in. Its text says the same. */
export function Bar({ counts, large }) {
  const text = parts(counts).map(([state, n]) => `${count(n)} ${state}`).join(", ") || "no items";
  return html`<div class=${large ? "bar large" : "bar"} role="img" aria-label=${text} title=${text}>
    ${parts(counts).map(([state, n]) => html`<span key=${state} class="fill ${state}" style=${{ flexGrow: n }}></span>`)}
  </div>`;
}

/** Every state with its number. `href` says where a state leads to. */
export function Legend({ counts, href }) {
  const shown = ITEM_STATES.filter((state) => counts[state] > 0 || ["succeeded", "failed", "processing", "pending"].includes(state));
  return html`<ul class="legend">
    ${shown.map((state) => {
      const body = html`<span class="swatch fill ${state}"></span><span class="word">${state}</span><b class="num">${count(counts[state])}</b>
        <small class="num">${percent(counts[state], counts.total)}</small>`;
      const to = href?.(state);
      return html`<li key=${state}>${to ? html`<a href=${to}>${body}</a>` : html`<span>${body}</span>`}</li>`;
    })}
  </ul>`;
}
