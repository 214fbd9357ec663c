/** An agent without a port of its own: it dials the node and serves calls over one stream. */

import { setTimeout as pause } from "node:timers/promises";

import { AgentHostServiceClient, AttachHello, AttachRequest, type AttachResponse, type AttachStart } from "@a2amesh/client";
import { type ClientDuplexStream, credentials as channel, status } from "@grpc/grpc-js";

import { descriptor, relay } from "./agent.js";
import { address, credentials, dialling, failure, isServiceError } from "./mesh.js";

type Stream = ClientDuplexStream<AttachRequest, AttachResponse>;
type Frame = NonNullable<AttachRequest["frame"]>;

const told = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => told.abort());

const host = new AgentHostServiceClient(address, channel.createInsecure(), dialling);
while (!told.signal.aborted) {
  try {
    await attach();
  } catch (error) {
    if (told.signal.aborted) break;
    if (!isServiceError(error) || error.code !== status.UNAVAILABLE) throw error;
  }
  await pause(1000, undefined, { signal: told.signal }).catch(() => {}); // the node went away or drains: dial again
}
host.close();

/** Serves the agent over one stream, until the stream ends or we are told to stop and the calls under way are answered. */
async function attach(): Promise<void> {
  const stream: Stream = host.attach(credentials());
  const calls = new Map<string, AbortController>();
  let welcomed = false;
  const leave = () => (welcomed ? send(stream, "", { $case: "leave", value: {} }) : stream.cancel());
  told.signal.addEventListener("abort", leave, { once: true });
  try {
    send(stream, "", { $case: "hello", value: AttachHello.fromPartial({ agent: descriptor }) });
    for await (const { callId, frame } of stream as AsyncIterable<AttachResponse>) {
      switch (frame?.$case) {
        case "welcome":
          welcomed = true;
          console.log(`attached ${descriptor.name} to ${frame.value.nodeId}`);
          break;
        case "start":
          void run(stream, calls, callId, frame.value);
          break;
        case "cancel":
          calls.get(callId)?.abort();
          break;
        case "ping":
          send(stream, "", { $case: "pong", value: frame.value });
          break;
      }
    }
  } finally {
    told.signal.removeEventListener("abort", leave);
    for (const call of calls.values()) call.abort();
  }
}

async function run(stream: Stream, calls: Map<string, AbortController>, callId: string, start: AttachStart): Promise<void> {
  const call = new AbortController();
  calls.set(callId, call);
  try {
    send(stream, callId, { $case: "end", value: { output: await relay(start, call.signal) } });
  } catch (error) {
    send(stream, callId, { $case: "fail", value: failure(error) });
  } finally {
    calls.delete(callId);
  }
}

function send(stream: Stream, callId: string, frame: Frame): void {
  if (stream.writable) stream.write(AttachRequest.fromPartial({ callId, frame })); // a stream that broke says so where it is read
}
