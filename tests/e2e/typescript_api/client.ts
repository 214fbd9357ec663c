// What a program in TypeScript does with the client that openapi-generator makes from the node's document.

import {
  AgentApi,
  CacheApi,
  Configuration,
  NodeApi,
  RegistryApi,
  ResponseError,
} from "./generated/index.js";

const [address, key] = process.argv.slice(2);
const configuration = new Configuration({ basePath: `http://${address}`, accessToken: key });
const agents = new AgentApi(configuration);

const { agents: listed } = await new RegistryApi(configuration).listAgents({ category: "diagnostics" });
const said = await agents.invoke({
  agent: "echo",
  invokeRequest: { capability: "say", input: { struct: { text: "hello" } } },
});
const counted = await new CacheApi(configuration).incrementValue({
  namespace: "default",
  key: "a/b:c",
  incrementValueRequest: { delta: 3 },
});
const status = await new NodeApi(configuration).agentStatus({ action: "status" });

let refused: unknown;
try {
  await agents.invoke({ agent: "nobody", invokeRequest: {} });
} catch (failure) {
  if (!(failure instanceof ResponseError)) throw failure;
  refused = { status: failure.response.status, ...(await failure.response.json()) };
}

const unknown = new AgentApi(new Configuration({ basePath: `http://${address}`, apiKey: "wrong" }));
const turnedAway = await unknown.getCall({ callId: said.callId! }).catch((failure) => failure.response.status);

const stream = await agents.invokeStreamRaw({
  agent: "echo",
  invokeStreamRequest: { capability: "count", input: { struct: { n: 3 } } },
});
const events = (await stream.raw.text()).split("\n\n").filter(Boolean);

console.log(JSON.stringify({
  agents: listed?.map((agent) => agent.name),
  text: said.output?.struct?.text,
  counted: counted.value,
  ok: status.ok,
  refused,
  turnedAway,
  events: events.length,
  last: events.at(-1),
}));
