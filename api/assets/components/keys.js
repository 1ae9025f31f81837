// The keyboard: "g b" goes to the batches, "/" searches, "?" tells.
import { html, useEffect, useState } from "../lib/html.js";
import { go } from "../lib/router.js";
import { Modal } from "./dialog.js";

const GOES = {
  o: [[], "Overview"],
  b: [["batches"], "Batches"],
  d: [["dead-letters"], "Dead letters"],
  w: [["workers"], "Workers"],
  j: [["job-types"], "Job types"],
  n: [["new"], "New batch"],
};

const isTyping = ({ target }) => target.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]");

export function Keys() {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    let going = false;
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      const search = document.querySelector("input[type=search]");
      if (going && GOES[event.key]) go(GOES[event.key][0]);
      else if (event.key === "/" && search) search.focus();
      else if (event.key === "?") setShown(true);
      else {
        going = event.key === "g";
        return;
      }
      going = false;
      event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  if (!shown) return null;
  return html`<${Modal} title="Keyboard" close=${() => setShown(false)}>
    <dl class="keys">
      ${Object.entries(GOES).map(([key, [, name]]) => html`<div key=${key}><dt><kbd>g</kbd> <kbd>${key}</kbd></dt><dd>${name}</dd></div>`)}
      <div><dt><kbd>/</kbd></dt><dd>Search</dd></div><div><dt><kbd>?</kbd></dt><dd>This list</dd></div>
    </dl>
    <footer><button class="primary" onClick=${() => setShown(false)}>Close</button></footer>
  <//>`;
}
