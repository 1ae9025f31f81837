// Short sentences about what became of an action. Screen readers say them, too.
import { html, useEffect, useState } from "../lib/html.js";

const STAY_MS = { info: 5_000, error: 12_000 };
let show = () => {};

export const say = (text, kind = "info") => show({ text, kind, key: performance.now() });

export const sayError = (error) => say(error.problem ? `${error.problem.title}: ${error.message}` : error.message, "error");

export function Toasts() {
  const [toasts, setToasts] = useState([]);
  useEffect(() => {
    const drop = (key) => setToasts((all) => all.filter((toast) => toast.key !== key));
    show = (toast) => {
      setToasts((all) => [...all.slice(-2), toast]);
      setTimeout(() => drop(toast.key), STAY_MS[toast.kind]);
    };
    return () => (show = () => {});
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map((toast) => html`<p key=${toast.key} class=${toast.kind}>${toast.text}</p>`)}
  </div>`;
}
