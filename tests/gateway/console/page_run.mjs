// Runs the API page against a small imitation of a browser's document, and prints what it made and what it sent.
import { readFileSync } from "node:fs";

const [page, described, wanted, token] = process.argv.slice(2);
const description = JSON.parse(readFileSync(described, "utf8"));
const elements = [];

class Element {
  constructor(tag) {
    Object.assign(this, { tag, attributes: {}, children: [], listeners: {}, dataset: {}, hidden: false, open: false, textContent_: "" });
    elements.push(this);
  }
  get id() { return this.attributes.id; }
  get value() {
    if (this.written !== undefined) return this.written;
    if (this.tag === "select") return this.children[0]?.attributes.value ?? "";
    return this.tag === "textarea" ? this.textContent : this.attributes.value ?? "";
  }
  set value(text) { this.written = text; }
  get textContent() { return this.textContent_ + this.children.map((child) => child.textContent ?? child).join(""); }
  set textContent(text) { this.textContent_ = text; this.children = []; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.textContent_ = ""; this.children = children; }
  matches(selector) { return this.attributes.class === selector.slice(1); }
  scrollIntoView() {}
  all() { return [this, ...this.children.flatMap((child) => (child instanceof Element ? child.all() : []))]; }
  querySelectorAll(selector) { return this.all().filter((each) => each !== this && each.matches(selector)); }
}

const fixed = Object.fromEntries(["credential", "token", "filter", "index", "documents", "version", "operations", "state"].map((id) => {
  const element = new Element("div");
  element.attributes.id = id;
  return [id, element];
}));
const live = () => Object.values(fixed).flatMap((element) => element.all());
const findById = (id) => live().find((element) => element.id === id);
globalThis.document = {
  createElement: (tag) => new Element(tag),
  getElementById: findById,
  querySelectorAll: () => fixed.operations.all().filter((element) => element.tag === "section"),
};
globalThis.location = { hash: `#${wanted}` };
globalThis.addEventListener = () => {};
const sent = [];
globalThis.fetch = async (address, options) => {
  if (address === "/openapi.json") return new Response(JSON.stringify(description));
  sent.push({ address, method: options.method, headers: options.headers, body: options.body ?? null, credentials: options.credentials });
  return new Response('{"said":"<b>hello</b>"}', { status: 200, statusText: "OK" });
};

await import(page);
await new Promise((resolve) => setImmediate(resolve));
const card = findById(wanted);
const shown = fixed.state.textContent || findById("state").textContent;
for (const each of fixed.operations.querySelectorAll(".operation")) each.listeners.toggle();
const opened = fixed.operations.all().length;
fixed.token.value = token;
await card.all().find((element) => element.tag === "form").listeners.submit({ preventDefault() {} });
console.log(JSON.stringify({
  state: shown,
  cards: fixed.operations.querySelectorAll(".operation").length,
  families: fixed.index.all().filter((element) => element.tag === "h2").map((element) => element.textContent),
  isOpen: card.open,
  opened: opened > 0,
  sent,
  status: card.all().find((element) => element.attributes.role === "status").textContent,
  answer: card.all().find((element) => element.attributes["aria-label"] === "Answer").textContent,
  markup: elements.filter((element) => element.tag === "b" || element.tag === "script").length,
}));
