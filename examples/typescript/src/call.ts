/** Asks an agent: `node call.js AGENT CAPABILITY '{"some": "json"}'`. */

import { AgentServiceClient, InvokeRequest } from "@a2amesh/client";
import { credentials as channel } from "@grpc/grpc-js";

import { address, credentials, failure, object } from "./mesh.js";

const [agent, capability, json] = process.argv.slice(2);
if (!agent || !capability || !json) {
  console.error(`usage: node call.js AGENT CAPABILITY '{"some": "json"}'`);
  process.exit(1);
}
const request = InvokeRequest.fromPartial({ agent, capability, input: { body: { $case: "struct", value: JSON.parse(json) } } });
const mesh = new AgentServiceClient(address, channel.createInsecure());
mesh.invoke(request, credentials(), { deadline: Date.now() + 10_000 }, (error, response) => {
  if (error) {
    const { code, reason, message } = failure(error);
    console.error(`${code} ${reason}: ${message}`);
    process.exitCode = 1;
  } else {
    console.log(JSON.stringify(object(response.output)));
  }
  mesh.close();
});
