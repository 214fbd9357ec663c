// Shows the node's OpenAPI document, and sends requests to try it. Everything is text: nothing of the document is markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 6;
const main = document.getElementById("main");

function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Paragraphs, with what stands in backticks as code and in double asterisks as strong.
function words(text) {
  return (text ?? "").split("\n\n").filter(Boolean).map((paragraph) => made("p", {},
    ...paragraph.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`")) return made("code", {}, part.slice(1, -1));
      return part.startsWith("**") ? made("strong", {}, part.slice(2, -2)) : part;
    })));
}

function resolved(api, schema) {
  if (schema?.$ref) return { name: schema.$ref.split("/").pop(), ...resolved(api, at(api, schema.$ref)) };
  if (schema?.allOf?.length === 1) return { ...resolved(api, schema.allOf[0]), description: schema.description };
  return schema ?? {};
}

function at(api, reference) {
  return reference.slice(2).split("/").reduce((node, step) => node[step], api);
}

function typeOf(api, schema) {
  const known = resolved(api, schema);
  if (known.type === "array") return `list of ${typeOf(api, known.items)}`;
  if (known.type === "object" && typeof known.additionalProperties === "object") {
    return `object of ${typeOf(api, known.additionalProperties)}`;
  }
  return known.name ?? [known.type ?? (known.oneOf ? "one of several" : "any"), known.format].filter(Boolean).join(", ");
}

// The fields of a schema; those of fields open when they are asked for.
function fields(api, schema, depth = 0) {
  const known = resolved(api, schema);
  if (known.items) return fields(api, known.items, depth);
  if (known.enum) return made("p", {}, "One of ", made("code", {}, known.enum.join(", ")));
  if (!known.properties || depth > DEEPEST) return null;
  return made("dl", {}, ...Object.entries(known.properties).flatMap(([name, inner]) => [
    made("dt", {}, made("code", {}, name), made("span", { class: "type" }, ` ${typeOf(api, inner)}`),
      (known.required ?? []).includes(name) ? made("em", {}, " required") : null),
    made("dd", {}, ...words(resolved(api, inner).description), within(api, inner, depth)),
  ]));
}

function within(api, schema, depth) {
  const known = resolved(api, schema);
  const inner = known.items ? resolved(api, known.items) : known;
  if (!inner.properties && !inner.enum) return null;
  const details = made("details", {}, made("summary", {}, "fields"));
  details.addEventListener("toggle", () => {
    if (details.childElementCount === 1) details.append(fields(api, inner, depth + 1) ?? "");
  });
  return details;
}

function operation(api, path, method, about) {
  const name = made("span", about.deprecated ? { class: "old" } : {}, made("code", {}, path));
  const body = made("div");
  const details = made("details", { class: "operation", id: about.operationId },
    made("summary", {}, made("span", { class: `method ${method}` }, method.toUpperCase()), " ", name, " ", about.summary ?? ""),
    body);
  details.addEventListener("toggle", () => {
    if (details.open && !body.childElementCount) body.append(...told(api, path, method, about));
  });
  return details;
}

function told(api, path, method, about) {
  const parameters = about.parameters ?? [];
  const sent = about.requestBody?.content["application/json"];
  const talk = about.responses["101"];
  return [
    ...words(about.description),
    parameters.length ? made("h4", {}, "Parameters") : null,
    parameters.length ? made("dl", {}, ...parameters.flatMap((parameter) => [
      made("dt", {}, made("code", {}, parameter.name),
        made("span", { class: "type" }, ` ${typeOf(api, parameter.schema)}, in ${parameter.in}`)),
      made("dd", {}, ...words(parameter.description)),
    ])) : null,
    sent ? made("h4", {}, "Body") : null,
    sent ? fields(api, sent.schema) : null,
    ...(talk ? messages(api, talk) : answered(api, about.responses["200"])),
    talk ? conversation(path, parameters) : trial(path, method, parameters, sent),
  ].filter(Boolean);
}

function answered(api, { description, content }) {
  const [type, answer] = Object.entries(content)[0];
  return [made("h4", {}, `Answer: ${type}`), ...words(description), fields(api, answer["x-event"] ?? answer.schema)];
}

function messages(api, { description, "x-websocket": { client, server } }) {
  return [made("h4", {}, "WebSocket"), ...words(description), made("h4", {}, "Messages of the client"), fields(api, client),
    made("h4", {}, "Messages of the node"), fields(api, server)];
}

// What is said on a WebSocket; its key goes as a subprotocol, as a browser can set no header there.
function conversation(path, parameters) {
  const inputs = parameters.map((parameter) => [parameter, made("input", { "aria-label": parameter.name })]);
  const message = made("textarea", { "aria-label": "message" });
  message.value = "{}";
  const said = made("pre", { "aria-live": "polite" });
  const told = (line) => { said.textContent += `${line}\n`; };
  let socket = null;
  const button = (text, does) => {
    const one = made("button", { type: "button" }, text);
    one.addEventListener("click", does);
    return one;
  };
  const open = () => {
    socket?.close();
    said.textContent = "";
    socket = new WebSocket(new URL(placed(path, inputs), location.href.replace(/^http/, "ws")),
      ["a2amesh.v1", `a2amesh.bearer.${document.getElementById("key").value}`]);
    socket.addEventListener("open", () => told("open"));
    socket.addEventListener("message", ({ data }) => told(data));
    socket.addEventListener("close", ({ code, reason }) => told(`closed ${code} ${reason}`));
  };
  const send = (text) => (socket?.readyState === WebSocket.OPEN ? socket.send(text) : told("it is not open"));
  return made("form", {}, made("h4", {}, "Try it"),
    ...inputs.map(([parameter, input]) => made("p", {}, made("label", {}, `${parameter.name} `, input))), message,
    made("p", {}, button("Open", open), " ", button("Send", () => send(message.value)), " ",
      button("End the input", () => send("")), " ", button("Close", () => socket?.close())), said);
}

function placed(path, inputs) {
  return inputs.filter(([{ in: where }]) => where === "path")
    .reduce((whole, [{ name }, { value }]) => whole.replace(`{${name}}`, encodeURIComponent(value)), path);
}

function trial(path, method, parameters, sent) {
  const inputs = parameters.map((parameter) => [parameter, made("input", {
    value: parameter.example ?? "", placeholder: parameter.name, "aria-label": parameter.name,
  })]);
  const body = sent ? made("textarea", { "aria-label": "body" }) : null;
  if (body) body.value = JSON.stringify(sent.example ?? {}, null, 2);
  const said = made("pre", { "aria-live": "polite" });
  const send = made("button", { type: "submit" }, "Send");
  const stop = made("button", { type: "button" }, "Stop");
  const form = made("form", {}, made("h4", {}, "Try it"),
    ...inputs.map(([parameter, input]) => made("p", {}, made("label", {}, `${parameter.name} `, input))),
    body, made("p", {}, send, " ", stop), said);
  let leaving = new AbortController();
  stop.addEventListener("click", () => leaving.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    leaving.abort();
    leaving = new AbortController();
    said.textContent = "";
    try {
      await asked(path, method, inputs, body, said, leaving.signal);
    } catch (failure) {
      said.textContent += `\n${failure.name === "AbortError" ? "stopped" : failure}`;
    }
  });
  return form;
}

async function asked(path, method, inputs, body, said, signal) {
  const headers = { authorization: `Bearer ${document.getElementById("key").value}` };
  const query = new URLSearchParams();
  const target = placed(path, inputs);
  for (const [parameter, { value }] of inputs) {
    if (value && parameter.in === "query") query.append(parameter.name, value);
    else if (value && parameter.in === "header") headers[parameter.name] = value;
  }
  if (body) headers["content-type"] = "application/json";
  const url = query.size ? `${target}?${query}` : target;
  const answer = await fetch(url, { method: method.toUpperCase(), headers, body: body?.value, signal });
  said.textContent = `${answer.status} ${answer.statusText}\n`;
  if ((answer.headers.get("content-type") ?? "").includes("application/json")) {
    said.textContent += JSON.stringify(await answer.json(), null, 2);
    return;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) said.textContent += part.value;
}

function contents(operations) {
  const nav = document.getElementById("contents");
  for (const [tag, listed] of operations) {
    nav.append(made("strong", {}, tag), ...listed.map(([, , about]) =>
      made("a", { href: `#${about.operationId}` }, about.operationId)));
  }
}

function shown(api) {
  document.getElementById("version").textContent = api.info.version;
  main.append(...words(api.info.description));
  const operations = new Map(api.tags.map((tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      operations.get(item[method].tags[0]).push([path, method, item[method]]);
    }
  }
  contents(operations);
  for (const tag of api.tags) {
    main.append(made("section", {}, made("h2", {}, tag.name), ...words(tag.description),
      ...operations.get(tag.name).map((each) => operation(api, ...each))));
  }
}

function found(event) {
  const wanted = event.target.value.toLowerCase();
  for (const details of document.querySelectorAll("details.operation")) {
    details.hidden = !details.firstElementChild.textContent.toLowerCase().includes(wanted);
  }
}

function opened() {
  const details = document.getElementById(location.hash.slice(1));
  if (details?.classList.contains("operation")) {
    details.open = true;
    details.scrollIntoView();
  }
}

try {
  const answer = await fetch("/openapi.json");
  shown(await answer.json());
  document.getElementById("find").addEventListener("input", found);
  addEventListener("hashchange", opened);
  opened();
} catch (failure) {
  main.append(made("p", {}, `The document cannot be shown: ${failure}`));
}
