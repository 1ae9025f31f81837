// Limits of a batch that can be changed while it runs.
import { html, useEffect, useState } from "../../lib/html.js";
import { Card } from "../../components/basics.js";
import { say, sayError } from "../../components/toast.js";

const SLIDES = 10;
/** Pure: a slider goes from 1 to no limit in steps that double. */
export const atStep = (step) => (step >= SLIDES ? null : 2 ** step);
export const stepOf = (limit) => (limit === null ? SLIDES : Math.min(SLIDES - 1, Math.round(Math.log2(limit))));

export function Limits({ api, batch, reload }) {
  const given = { concurrency: batch.concurrency, rate_per_s: batch.rate_limit_per_s, priority: batch.priority };
  const [values, setValues] = useState(given);
  const [touched, setTouched] = useState(false);
  useEffect(() => {
    if (!touched) setValues(given);
  }, [batch.concurrency, batch.rate_limit_per_s, batch.priority]);
  const set = (name, value) => {
    setTouched(true);
    setValues({ ...values, [name]: value });
  };
  const number = (name) => (event) => set(name, event.target.value === "" ? null : Number(event.target.value));
  const changes = Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== given[name]));
  const save = async (event) => {
    event.preventDefault();
    try {
      await api.change(batch.id, changes);
      setTouched(false);
      say("Limits changed");
      await reload();
    } catch (error) {
      sayError(error);
    }
  };
  return html`<${Card} title="Limits"><form class="limits" onSubmit=${save}>
    <label for="concurrency">Concurrency</label>
    <input id="concurrency" type="number" name="concurrency" min="1" step="1" placeholder="no limit" value=${values.concurrency ?? ""} onInput=${number("concurrency")} />
    <input type="range" min="0" max=${SLIDES} step="1" value=${stepOf(values.concurrency)} aria-label="Concurrency, from 1 to no limit"
      aria-valuetext=${values.concurrency ?? "no limit"} onInput=${(event) => set("concurrency", atStep(Number(event.target.value)))} />
    <label for="rate">Items per second</label>
    <input id="rate" type="number" name="rate" min="0.001" step="any" placeholder="no limit" value=${values.rate_per_s ?? ""} onInput=${number("rate_per_s")} />
    <label for="priority">Priority</label>
    <input id="priority" type="number" name="priority" min="-100" max="100" step="1" required value=${values.priority} onInput=${number("priority")} />
    <footer><button type="button" class="quiet" disabled=${!touched} onClick=${() => { setValues(given); setTouched(false); }}>Undo</button>
      <button class="primary" disabled=${Object.keys(changes).length === 0}>Apply</button></footer>
  </form><//>`;
}
