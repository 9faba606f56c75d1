// Shows /openapi.json and sends requests to this same host. Nothing is stored, and text from answers is only ever shown as text.

const MAX_SHOWN = 200_000;
const METHODS = ["get", "post", "put", "patch", "delete"];

const byId = (id) => document.getElementById(id);

/** Makes an element; texts become text nodes, `on…` attributes listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Follows a reference within the document. */
export function resolve(document_, schema) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.slice(2).split("/").reduce((part, name) => part[name.replaceAll("~1", "/").replaceAll("~0", "~")], document_);
}

/** What a schema is, in a few words. */
export function kindOf(document_, schema) {
  const plain = resolve(document_, schema);
  const choices = plain.anyOf ?? plain.oneOf;
  if (choices) return choices.map((choice) => kindOf(document_, choice)).join(" or ");
  if (plain.enum) return plain.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (plain.type === "array") return `list of ${kindOf(document_, plain.items ?? {})}`;
  const bounds = [
    plain.minimum != null && `≥ ${plain.minimum}`, plain.maximum != null && `≤ ${plain.maximum}`,
    plain.minLength != null && `length ≥ ${plain.minLength}`, plain.maxLength != null && `length ≤ ${plain.maxLength}`,
  ].filter(Boolean).join(", ");
  const name = schema?.$ref ? schema.$ref.split("/").pop() : plain.format ?? plain.type ?? "anything";
  return bounds ? `${name} (${bounds})` : name;
}

/** The object schemas within a schema: itself, its items or its choices. */
function objectsIn(document_, schema) {
  const plain = resolve(document_, schema);
  const parts = plain.anyOf ?? plain.oneOf ?? (plain.items ? [plain.items] : null);
  if (parts) return parts.flatMap((part) => objectsIn(document_, part));
  return plain.properties ? [plain] : [];
}

/** A schema's fields as nested lists; deeper ones open on demand, so recursive types end. */
function fieldsOf(document_, schema) {
  return objectsIn(document_, schema).map((object) => {
    const items = Object.entries(object.properties).map(([name, property]) => {
      const needed = object.required?.includes(name);
      const line = [make("code", {}, name), needed ? make("span", { class: "needed", title: "required" }, " *") : null,
        make("span", { class: "kind" }, kindOf(document_, property))];
      if (objectsIn(document_, property).length === 0) return make("li", {}, line);
      const details = make("details", {}, make("summary", {}, line));
      details.addEventListener("toggle", () => details.append(...fieldsOf(document_, property)), { once: true });
      return make("li", {}, details);
    });
    return make("div", {}, object.description ? make("p", { class: "note" }, object.description) : null,
      make("ul", { class: "fields" }, items));
  });
}

function show(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function examplesOf(content) {
  return Object.entries(content?.examples ?? {}).map(([name, example]) =>
    make("details", {}, make("summary", {}, `Example: ${name}`), make("pre", {}, show(example.value))));
}

/** Fills a path's placeholders and appends the query parameters that have a value. */
export function addressOf(path, parameters) {
  const query = new URLSearchParams();
  let address = path;
  for (const { name, place, value } of parameters) {
    if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "") query.append(name, value);
  }
  return query.size ? `${address}?${query}` : address;
}

/** The names of the security schemes of which an operation wants one. */
export function waysOf(operation) {
  return (operation.security ?? []).flatMap((way) => Object.keys(way));
}

/** The header that carries the token, as a security scheme wants it. */
export function credentialOf(document_, way, token) {
  const scheme = document_.components.securitySchemes[way];
  if (!token || !scheme) return {};
  return scheme.type === "apiKey" ? { [scheme.name]: token } : { Authorization: `Bearer ${token}` };
}

function parameterTable(document_, operation, prefix) {
  const inputs = [];
  const rows = (operation.parameters ?? []).map((parameter) => {
    const id = `${prefix}-${parameter.name}`;
    const given = parameter.in === "path" ? parameter.example ?? "" : "";
    const input = make("input", { id, value: given, required: parameter.required, placeholder: parameter.example, spellcheck: "false" });
    inputs.push({ name: parameter.name, place: parameter.in, input });
    return make("tr", {}, make("td", {}, make("label", { for: id }, make("code", {}, parameter.name),
      parameter.required ? make("span", { class: "bad", title: "required" }, " *") : null)),
    make("td", {}, parameter.in), make("td", {}, kindOf(document_, parameter.schema)), make("td", {}, input));
  });
  const head = make("tr", {}, ["Name", "In", "Type", "Value"].map((text) => make("th", { scope: "col" }, text)));
  return { inputs, table: rows.length ? make("table", {}, make("thead", {}, head), make("tbody", {}, rows)) : null };
}

/** Reads an answer as it comes; endless ones grow until they are stopped. */
async function readInto(response, output) {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = "";
  while (reader && text.length < MAX_SHOWN) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    output.textContent = text;
  }
  await reader?.cancel();
  try {
    output.textContent = show(JSON.parse(text));
  } catch {
    output.textContent = text || "(no body)";
  }
}

function sender(document_, method, path, operation, inputs, body) {
  const status = make("p", { role: "status" });
  const head = make("pre", { hidden: true });
  const output = make("pre", { hidden: true, tabindex: "0", "aria-label": "Answer" });
  const stop = make("button", { type: "button", class: "quiet", disabled: true }, "Stop");
  const send = make("button", { type: "submit" }, "Send");
  const ways = waysOf(operation);
  const way = make("select", { "aria-label": "Header of the token" }, ways.map((name) => make("option", { value: name },
    `Token in ${Object.keys(credentialOf(document_, name, "x"))[0]}`)));
  let running = null;
  stop.addEventListener("click", () => running?.abort());

  async function submit(event) {
    event.preventDefault();
    running?.abort();
    const abort = running = new AbortController();
    const values = inputs.map(({ name, place, input }) => ({ name, place, value: input.value.trim() }));
    const headers = credentialOf(document_, way.value || ways[0], byId("token").value.trim());
    const content = body?.value.trim();
    if (content) headers["Content-Type"] = "application/json";
    stop.disabled = false;
    status.className = "";
    status.textContent = "Sending…";
    const start = performance.now();
    try {
      const options = { method: method.toUpperCase(), headers, signal: abort.signal, credentials: "omit", cache: "no-store", redirect: "manual" };
      const response = await fetch(addressOf(path, values), content ? { ...options, body: content } : options);
      status.className = response.ok ? "good" : "bad";
      status.textContent = `${response.status} ${response.statusText} in ${Math.round(performance.now() - start)} ms`;
      head.textContent = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      head.hidden = output.hidden = false;
      output.textContent = "";
      await readInto(response, output);
    } catch (error) {
      if (abort.signal.aborted) status.textContent += " (stopped)";
      else {
        status.className = "bad";
        status.textContent = `The request failed: ${error.message}`;
      }
    } finally {
      if (running === abort) stop.disabled = true;
    }
  }
  return { submit, parts: [make("div", { class: "row" }, send, stop, ways.length > 1 ? way : null), status, head, output] };
}

function describeOperation(document_, method, path, operation) {
  const content = operation.requestBody && Object.values(operation.requestBody.content)[0];
  const first = content && Object.values(content.examples ?? {})[0];
  const body = content && make("textarea", { id: `${operation.operationId}-body`, spellcheck: "false" }, first ? show(first.value) : "{}");
  const { inputs, table } = parameterTable(document_, operation, operation.operationId);
  const { submit, parts } = sender(document_, method, path, operation, inputs, body);
  const responses = Object.entries(operation.responses).map(([status, response]) => {
    const [media, described] = Object.entries(response.content ?? {})[0] ?? [];
    return make("details", {}, make("summary", {}, make("code", {}, status), ` ${response.description} `,
      media ? make("span", { class: "note" }, `${media}, ${kindOf(document_, described.schema)}`) : null),
    described ? [fieldsOf(document_, described.schema), examplesOf(described)].flat() : null);
  });
  return [
    operation.description ? make("p", {}, operation.description) : null,
    make("form", { onsubmit: submit, autocomplete: "off" },
      table ? [make("h3", {}, "Parameters"), table] : null,
      body ? [make("h3", {}, make("label", { for: body.id }, operation.requestBody.required ? "Body" : "Body (optional)")), body,
        fieldsOf(document_, content.schema), examplesOf(content)].flat() : null,
      parts),
    make("h3", {}, "Answers"), responses,
  ].flat();
}

function card(document_, method, path, operation) {
  const open = operation.security?.length === 0;
  const badge = make("span", { class: "badge" }, open ? "public" : (operation["x-permissions"] ?? ["any credential"]).join(" or "));
  const summary = make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()),
    make("span", { class: "path" }, path), make("span", {}, operation.summary ?? ""), badge);
  const details = make("details", { class: "operation", id: operation.operationId }, summary);
  details.dataset.words = `${method} ${path} ${operation.summary} ${operation["x-family"]} ${badge.textContent}`.toLowerCase();
  details.addEventListener("toggle", () => details.append(make("div", {}, describeOperation(document_, method, path, operation))),
    { once: true });
  return details;
}

/** Operations by tag, in the order of the document's tags. */
export function groupsOf(document_) {
  const groups = new Map((document_.tags ?? []).map(({ name }) => [name, []]));
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const method of METHODS.filter((name) => name in item)) groups.get(item[method].tags[0])?.push({ method, path, operation: item[method] });
  }
  return groups;
}

function render(document_) {
  const sections = [];
  const lists = new Map();
  for (const [tag, operations] of groupsOf(document_)) {
    if (operations.length === 0) continue;
    const [family, resource] = tag.split(": ");
    const id = `tag-${family}-${resource}`;
    const cards = operations.map(({ method, path, operation }) => card(document_, method, path, operation));
    sections.push(make("section", { "aria-labelledby": id }, make("h2", { id }, tag), cards));
    if (!lists.has(family)) lists.set(family, []);
    lists.get(family).push(make("li", {}, make("a", { href: `#${id}` }, resource, make("span", { class: "note" }, `${cards.length}`))));
  }
  byId("version").textContent = document_.info.version;
  byId("index").replaceChildren(...[...lists].flatMap(([family, items]) => [make("h2", {}, family), make("ul", {}, items)]));
  byId("documents").replaceChildren(make("a", { href: "/openapi.json" }, "all"),
    ...[...lists.keys()].flatMap((family) => [" · ", make("a", { href: `/openapi/${family}.json` }, family)]));
  byId("operations").replaceChildren(make("p", { id: "state", role: "status" }), ...sections);
  filter();
  reveal();
}

function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const section of document.querySelectorAll("main section")) {
    const cards = [...section.querySelectorAll(".operation")];
    for (const each of cards) each.hidden = !words.every((word) => each.dataset.words.includes(word));
    const left = cards.filter((each) => !each.hidden).length;
    section.hidden = left === 0;
    shown += left;
  }
  byId("state").textContent = `${shown} operations`;
}

/** Opens the operation that the address names. */
function reveal() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches(".operation")) target.open = true;
  target?.scrollIntoView();
}

async function start() {
  byId("credential").addEventListener("submit", (event) => event.preventDefault());
  byId("filter").addEventListener("input", filter);
  addEventListener("hashchange", reveal);
  try {
    const response = await fetch("/openapi.json", { credentials: "omit" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    render(await response.json());
  } catch (error) {
    byId("state").textContent = `The description cannot be read: ${error.message}`;
  }
}

if (globalThis.document) start();
