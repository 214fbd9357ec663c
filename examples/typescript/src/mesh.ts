/** What the examples say to a node: where it is, who they are, and how payloads and failures read. */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { CallError, Payload } from "@a2amesh/client";
import { ErrorInfo, Status } from "@a2amesh/client/google/rpc";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";

export type JsonObject = { [name: string]: unknown };

/** Where the node is: A2A_ADDRESS, else where a node listens by default. */
export const address = process.env.A2A_ADDRESS || "127.0.0.1:50051";

/** How soon a node that was lost is dialled again. */
export const dialling = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1000 };

/** The metadata of every call: the key of A2A_KEY or else this machine's development key, and what continues another call. */
export function credentials(callToken?: string, traceparent?: string): Metadata {
  const metadata = new Metadata({ waitForReady: true });
  const key = process.env.A2A_KEY || readFileSync(join(dataDir(), "dev.key"), "utf8").trim();
  metadata.set("authorization", `Bearer ${key}`);
  if (callToken) metadata.set("a2a-call-token", callToken);
  if (traceparent) metadata.set("traceparent", traceparent);
  return metadata;
}

/** The JSON object of a payload, whichever way it was sent. */
export function object(payload: Payload | undefined): JsonObject {
  const body = payload?.body;
  if (body?.$case === "struct") return body.value ?? {};
  return body?.$case === "data" && body.value.length > 0 ? JSON.parse(body.value.toString("utf8")) : {};
}

/** A JSON object in the encoding of another payload: a Struct for people, bytes for programs. */
export function payload(value: JsonObject, like: Payload | undefined): Payload {
  if (like?.body?.$case === "struct") return Payload.create({ body: { $case: "struct", value } });
  return Payload.create({ body: { $case: "data", value: Buffer.from(JSON.stringify(value)) } });
}

/** A failure that an agent names itself. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** Why a call failed, with the reason that the mesh or the agent gave. */
export function failure(error: unknown): CallError {
  if (error instanceof Refusal) return CallError.create({ code: error.code, reason: error.reason, message: error.message });
  if (!isServiceError(error)) return CallError.create({ code: "INTERNAL", reason: "AGENT_FAILED", message: String(error) });
  const sent = error.metadata.get("grpc-status-details-bin")[0];
  const details = Buffer.isBuffer(sent) ? Status.decode(sent).details : [];
  const info = details.find((detail) => detail.typeUrl.endsWith("/google.rpc.ErrorInfo"));
  const { reason, metadata } = info ? ErrorInfo.decode(info.value) : { reason: "AGENT_FAILED", metadata: {} };
  return { code: status[error.code] ?? "UNKNOWN", reason, message: error.details, metadata };
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

function dataDir(): string {
  if (process.env.A2A_DATA_DIR) return process.env.A2A_DATA_DIR;
  if (process.geteuid?.() === 0) return "/var/lib/a2a-node";
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "a2a-node");
}
