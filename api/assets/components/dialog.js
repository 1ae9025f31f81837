// Questions before anything that can't be undone. `await ask({…})` is true where the answer is yes.
import { html, useEffect, useRef, useState } from "../lib/html.js";

let open = async () => false;

/** `typed`: what has to be typed before the button works. `danger`: the button is red. */
export const ask = (question) => open(question);

export function Dialogs() {
  const [asked, setAsked] = useState(null);
  useEffect(() => {
    open = (question) => new Promise((resolve) => setAsked({ question, resolve }));
    return () => (open = async () => false);
  }, []);
  if (!asked) return null;
  const answer = (value) => {
    setAsked(null);
    asked.resolve(value);
  };
  return html`<${Confirm} ...${asked.question} answer=${answer} />`;
}

function Confirm({ title, text, yes, danger, typed, answer }) {
  const [given, setGiven] = useState("");
  const submit = (event) => {
    event.preventDefault();
    answer(true);
  };
  return html`<${Modal} title=${title} close=${() => answer(false)}>
    <form onSubmit=${submit}>
      <p>${text}</p>
      ${typed && html`<label>Type <code>${typed}</code> to go on
        <input name="typed" autocomplete="off" spellcheck=${false} value=${given} onInput=${(event) => setGiven(event.target.value)} />
      </label>`}
      <footer>
        <button type="button" onClick=${() => answer(false)}>Keep things as they are</button>
        <button class=${danger ? "danger" : "primary"} disabled=${Boolean(typed) && given !== typed}>${yes}</button>
      </footer>
    </form>
  <//>`;
}

export function Modal({ title, close, children }) {
  const element = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.focus?.();
  }, []);
  const cancelled = (event) => {
    event.preventDefault();
    close();
  };
  return html`<dialog ref=${element} onCancel=${cancelled} aria-labelledby="dialog-title"
    onClick=${(event) => event.target === element.current && close()}>
    <div class="inside"><h2 id="dialog-title">${title}</h2>${children}</div>
  </dialog>`;
}
