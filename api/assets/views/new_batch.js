// A batch from a file: look at it, have it checked, send it.
import { html, useEffect, useMemo, useRef, useState } from "../lib/html.js";
import { bytes } from "../lib/format.js";
import { useResource } from "../lib/hooks.js";
import { formatOf, PREVIEW_BYTES, preview, sniff } from "../lib/preview.js";
import { go } from "../lib/router.js";
import { submission } from "../lib/submission.js";
import { upload } from "../lib/upload.js";
import { Card, Loaded } from "../components/basics.js";
import { Icon } from "../components/icons.js";
import { say } from "../components/toast.js";
import { Answer } from "./new_batch/answer.js";
import { Columns } from "./new_batch/columns.js";
import { EMPTY, Options } from "./new_batch/options.js";

export function NewBatch({ api, route }) {
  const types = useResource("job types", (signal) => api.jobTypes(signal), { period: 0 });
  return html`<h1>New batch</h1><${Loaded} resource=${types}>${({ job_types }) => html`<${Form} api=${api} types=${job_types} chosen=${route.query.get("job_type")} />`}<//>`;
}

function Form({ api, types, chosen }) {
  const [source, setSource] = useState(null);
  const [names, setNames] = useState([]);
  const [form, setForm] = useState({ ...EMPTY, job_type: types.some(({ name }) => name === chosen) ? chosen : types[0]?.name });
  const [sending, setSending] = useState(null);
  const [answer, setAnswer] = useState(null);
  const key = useRef(null);
  const shown = useMemo(() => source && preview(source.text, source.format, source.delimiter, source.whole), [source]);
  // Another file, or other options, is another batch: what broke off before must not stand in its way.
  useEffect(() => {
    key.current = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    setAnswer(null);
  }, [source, form, names]);

  const send = async (dryRun) => {
    setAnswer(null);
    const control = new AbortController();
    setSending({ dryRun, share: 0, stop: () => control.abort() });
    const { on_invalid: onInvalid, ...options } = form;
    const request = submission({ space: api.space, ...source, options, columns: shown.columns, names, onInvalid, dryRun });
    try {
      const onProgress = (share) => setSending((now) => now && { ...now, share });
      const said = await upload("/v1/batches", { ...request, key: dryRun ? null : key.current, signal: control.signal, onProgress });
      if (!dryRun) {
        say(`Created: ${said.name || said.id}`);
        return go(["batches", said.id]);
      }
      setAnswer({ checked: said });
    } catch (error) {
      if (error.name !== "AbortError") setAnswer({ error });
    } finally {
      setSending(null);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    send(event.submitter?.value === "check");
  };
  return html`<form class="new" onSubmit=${submit}>
    <${Drop} source=${source} choose=${async (file) => {
      setNames([]);
      setSource(await read(file));
      if (!form.name) setForm({ ...form, name: file.name });
    }} />
    ${source && html`<${Columns} source=${source} change=${(changes) => setSource({ ...source, ...changes })} shown=${shown} names=${names} rename=${setNames} />`}
    <${Card} title="Options"><${Options} form=${form} change=${(changes) => setForm({ ...form, ...changes })} types=${types} inFile=${source?.format === "request"} /><//>
    <div aria-live="polite">${answer && html`<${Answer} ...${answer} />`}</div>
    ${sending && html`<div class="sending"><progress max="1" value=${sending.share} aria-label="Upload"></progress>
      <span class="num">${sending.share < 1 ? `${Math.floor(sending.share * 100)} % sent` : "sent; the server stores it"}</span>
      <button type="button" class="quiet" onClick=${sending.stop}>Stop</button></div>`}
    <footer class="submit">
      <button value="check" disabled=${!source || Boolean(sending)}>Check</button>
      <button value="start" class="primary" disabled=${!source || Boolean(sending)}>${form.start === "auto" ? "Start" : "Create"}</button>
    </footer>
  </form>`;
}

async function read(file) {
  const text = await file.slice(0, PREVIEW_BYTES).text();
  const format = formatOf(file.name, text);
  return { file, text, format, delimiter: format === "csv" ? sniff(text) : "", whole: file.size <= PREVIEW_BYTES };
}

function Drop({ source, choose }) {
  const [over, setOver] = useState(false);
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file) choose(file);
  };
  const drag = (event) => {
    event.preventDefault();
    setOver(true);
  };
  return html`<label class=${`drop ${over ? "over" : ""}`} onDragOver=${drag} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <${Icon} name="file" />
    <span>${source ? html`<b>${source.file.name}</b> <span class="muted num">${bytes(source.file.size)}</span>` : html`<b>Drop a file</b> or choose one`}</span>
    <small class="muted">CSV, TSV, NDJSON or JSON, of any length: only its beginning is read here</small>
    <input type="file" name="file" accept=".csv,.tsv,.tab,.txt,.ndjson,.jsonl,.json" onChange=${(event) => event.target.files[0] && choose(event.target.files[0])} />
  </label>`;
}
