// The first rows of a file, and what its columns are called as fields of an item.
import { html } from "../../lib/html.js";
import { FORMATS } from "../../lib/preview.js";
import { Card } from "../../components/basics.js";

export function Columns({ source, change, shown, names, rename }) {
  const table = source.format === "csv" || source.format === "tsv";
  const set = (place, value) => rename(shown.columns.map((column, other) => (other === place ? value : (names[other] ?? column))));
  return html`<${Card} title="Preview">
    <div class="filters">
      <label>Format <select name="format" value=${source.format} onChange=${(event) => change({ format: event.target.value })}>
        ${Object.entries(FORMATS).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select></label>
      ${source.format === "csv" && html`<label>Delimiter <select name="delimiter" value=${source.delimiter} onChange=${(event) => change({ delimiter: event.target.value })}>
        ${["comma", "semicolon", "tab", "pipe"].map((value) => html`<option key=${value} value=${value}>${value}</option>`)}</select></label>`}
    </div>
    ${shown.note && html`<p class="muted pad">${shown.note}</p>`}
    ${shown.columns.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="First rows"><table class="preview">
      <thead><tr>${shown.columns.map((column, place) => html`<th key=${place}>${table
        ? html`<input value=${names[place] ?? column} aria-label=${`Field for the column ${column}`} onInput=${(event) => set(place, event.target.value)} /><small>${column}</small>`
        : column}</th>`)}</tr></thead>
      <tbody>${shown.rows.map((row, number) => html`<tr key=${number}>${shown.columns.map((column, place) => html`<td key=${place}>${row[place] ?? ""}</td>`)}</tr>`)}</tbody>
    </table></div>
    ${table && html`<p class="muted pad">Change a name above its column to map it to another field.</p>`}`}
  <//>`;
}
