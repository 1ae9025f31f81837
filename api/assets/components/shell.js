// What is around every view: where one can go, whose data it is, and how live it is.
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { useMode } from "../lib/hooks.js";
import { hashOf, here, link, spaceOf } from "../lib/router.js";
import { remember, remembered } from "../lib/storage.js";
import { Icon, Logo } from "./icons.js";

const PLACES = [
  ["overview", "Overview", "overview"],
  ["batches", "Batches", "batches"],
  ["dead-letters", "Dead letters", "dead"],
  ["workers", "Workers", "workers"],
  ["job-types", "Job types", "types"],
];

const SPACE = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const Shell = ({ route, children }) => html`
  <a class="skip" href="#main" onClick=${toMain}>Skip to the content</a>
  <header class="top">
    <a class="brand" href=${link([])}><${Logo} /><span>Flotilla</span></a>
    <${SpaceChooser} space=${spaceOf(route)} />
    <span class="gap"></span>
    <${Mode} /><${Theme} />
    <a class="button primary" href=${link(["new"])}><${Icon} name="plus" /><span>New batch</span></a>
  </header>
  <nav class="places" aria-label="Main">
    ${PLACES.map(
      ([path, name, icon]) => html`<a key=${path} href=${link(path === "overview" ? [] : [path])}
        aria-current=${(route.path[0] || "overview") === path ? "page" : null}><${Icon} name=${icon} /><span>${name}</span></a>`,
    )}
  </nav>
  <main id="main" tabindex="-1">${children}</main>`;

function toMain(event) {
  // The hash is the address of the view.
  event.preventDefault();
  document.getElementById("main").focus();
}

function Mode() {
  const live = useMode() === "live";
  const title = live ? "Changes arrive as they happen" : "The stream of events is away: this page asks every two seconds";
  return html`<span class=${`mode ${live ? "on" : ""}`} title=${title}>${live ? "Live" : "Polling"}</span>`;
}

function Theme() {
  const [dark, setDark] = useState(() => {
    const chosen = remembered("theme", null);
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  });
  const change = () => {
    const theme = dark ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
    setDark(!dark);
  };
  const label = dark ? "Use light colours" : "Use dark colours";
  return html`<button class="quiet glyph" id="theme" onClick=${change} aria-label=${label} title=${label}><${Icon} name=${dark ? "sun" : "moon"} /></button>`;
}

/** Spaces are not listed by the API: those that were looked at here are offered. */
function SpaceChooser({ space }) {
  const [known, setKnown] = useState(() => remembered("spaces", ["default"]));
  const field = useRef(null);
  useEffect(() => {
    field.current.value = space;
    const next = [space, ...known.filter((other) => other !== space)].slice(0, 12);
    setKnown(next);
    remember("spaces", next);
  }, [space]);
  const choose = (event) => {
    event.preventDefault();
    const chosen = field.current.value.trim() || "default";
    field.current.setCustomValidity(SPACE.test(chosen) ? "" : "1 to 63 of a-z, 0-9, - and _; first a letter or a digit");
    if (!field.current.reportValidity()) return;
    const { path } = here();
    location.hash = hashOf(["batches", "dead-letters"].includes(path[0]) ? [path[0]] : path, { space: chosen });
  };
  return html`<form class="space" onSubmit=${choose}>
    <label><span class="word">Space</span>
      <input ref=${field} name="space" list="spaces" autocomplete="off" spellcheck=${false} title="Space (tenant); press Enter" onChange=${choose} />
    </label>
    <datalist id="spaces">${known.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
  </form>`;
}
