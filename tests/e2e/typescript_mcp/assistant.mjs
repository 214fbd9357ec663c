// The official TypeScript client at the nodes whose addresses are given, one after the other for each request.
// Prints what it saw as JSON: node assistant.mjs KEY URL...
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [key, ...nodes] = process.argv.slice(2);
let asked = 0;

const inTurns = (_, init) => fetch(nodes[asked++ % nodes.length], init);
const transport = new StreamableHTTPClientTransport(new URL(nodes[0]), {
  fetch: inTurns,
  requestInit: { headers: { authorization: `Bearer ${key}` } },
});
const client = new Client({ name: "assistant", version: "1.0.0" });
await client.connect(transport);

const call = (name, args, options) => client.callTool({ name, arguments: args }, undefined, options);
const { tools } = await client.listTools();
const progress = [];
const said = [];
for (let number = 0; number < 4; number++) said.push((await call("echo__say", { text: `${number}` })).structuredContent);
const counted = await call("echo__count", { n: 3 }, { onprogress: (told) => progress.push(told.progress) });
const failed = await call("echo__fail", {});
const unknown = await call("nobody__say", {}).catch((error) => error.code);
const giving = new AbortController();
setTimeout(() => giving.abort("enough"), 300);
const cancelled = await call("echo__count", { n: 3, delay_ms: 20000 }, { signal: giving.signal }).catch(() => true);
await client.close();
console.log(
  JSON.stringify({
    tools: tools.map((tool) => tool.name),
    said,
    progress,
    counted: counted.structuredContent,
    failed: failed._meta["a2amesh/error"].reason,
    unknown,
    cancelled,
    asked,
  }),
);
