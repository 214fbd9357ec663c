/** The agent itself: what the mesh is told of it, and its one capability. */

import {
  AgentDescriptor,
  AgentServiceClient,
  type AttachStart,
  InvokeRequest,
  type InvokeResponse,
  type Payload,
} from "@a2amesh/client";
import { credentials as channel } from "@grpc/grpc-js";

import { address, credentials, dialling, type JsonObject, object, payload, Refusal } from "./mesh.js";

type Stop = { agent: string; language: string; path: string[]; seconds_left: number };

const mesh = new AgentServiceClient(address, channel.createInsecure(), dialling);

/** What the mesh is told of the agent. */
export const descriptor = AgentDescriptor.fromPartial({
  name: "relay-typescript",
  version: "1.0.0",
  category: "example",
  tags: ["typescript"],
  description: "Hands a text along a route of agents.",
  capabilities: [
    {
      name: "relay",
      description: "Hands the text to the next agent on the route and answers with everybody's stop.",
      inputSchema: {
        type: "object",
        required: ["route", "text"],
        properties: { route: { type: "array", items: { type: "string" } }, text: { type: "string" } },
      },
    },
  ],
});

/** Hands the text on and puts its own stop before those that come back. */
export async function relay(start: AttachStart, cancelled: AbortSignal): Promise<Payload> {
  const { route, text } = asked(object(start.input));
  const left = Number(start.timeLeft?.seconds ?? 0) + (start.timeLeft?.nanos ?? 0) / 1e9;
  const here: Stop = { agent: descriptor.name, language: "typescript", path: start.path, seconds_left: left };
  const [next, ...rest] = route;
  if (next === undefined) return payload({ text, stops: [here] }, start.input);
  const request = InvokeRequest.create({ agent: next, capability: "relay", input: payload({ route: rest, text }, start.input) });
  const answer = object((await invoke(request, start, left, cancelled)).output) as { text: string; stops: Stop[] };
  return payload({ text: answer.text, stops: [here, ...answer.stops] }, start.input);
}

function asked({ route, text }: JsonObject): { route: string[]; text: string } {
  if (!Array.isArray(route) || route.some((name) => typeof name !== "string") || typeof text !== "string")
    throw new Refusal("INVALID_ARGUMENT", "INVALID_INPUT", "input.route: must be a list of names, and input.text a text");
  return { route, text };
}

/** Calls an agent with what is left of the time, and with the token and the trace that continue the call under way. */
function invoke(request: InvokeRequest, start: AttachStart, seconds: number, cancelled: AbortSignal): Promise<InvokeResponse> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + seconds * 1000 };
    const call = mesh.invoke(request, credentials(start.callToken, start.traceparent), options, (error, response) => {
      cancelled.removeEventListener("abort", cancel);
      return error ? reject(error) : resolve(response);
    });
    const cancel = () => call.cancel();
    cancelled.addEventListener("abort", cancel, { once: true });
  });
}
