// Sends requests with the key, and turns errors into plain words. The page uses only what any other client can use.
import { key } from "./key.js";

// Resolved against this file's address, not the page's: the page may have been opened under a longer path.
export const ROOT = new URL("..", import.meta.url);
export const BASE = new URL("v1", ROOT).href;

const LOST = "The server does not answer. Check that it is running and that this machine can reach it, then try again.";
const FAILED = "The server failed. Try again or choose another model; if that does not help, tell the person who runs the server:";

export class Refusal extends Error {
  constructor(message, { status = 0, param = null, code = null } = {}) {
    super(message);
    Object.assign(this, { status, param, code });
  }
}

// Sends a request; an error response becomes a Refusal with the server's own message, which says what to do.
export async function ask(path, options = {}) {
  const answer = await fetch(new URL(path, ROOT), { ...options, headers: { ...options.headers, ...key.headers } }).catch(lost);
  if (answer.ok) return answer;
  const { status } = answer;
  const error = (await answer.json().catch(() => null))?.error;
  if (status === 401) {
    document.dispatchEvent(new Event("key-wanted"));
    throw new Refusal("The server requires a key: enter it at the top of this page, then try again.", { status });
  }
  throw refusalOf(error, status);
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export const post = (path, body, signal) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

// Yields the pieces of a response's body while it arrives.
export async function* pieces(answer, brokenOff) {
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw isAbort(error) ? error : new Refusal(brokenOff);
      });
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Yields the events of a response; throws a Refusal for an error event.
export async function* events(answer, brokenOff) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces(answer, brokenOff)) {
    const parts = (rest + decoder.decode(piece, { stream: true })).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (!data || data === "[DONE]") continue;
      const event = JSON.parse(data);
      if (event.error) throw refusalOf(event.error, event.error.type === "server_error" ? 500 : 400);
      yield event;
    }
  }
}

// The server's message says what to change or how long to wait; only an internal error (500) is for the operator.
function refusalOf(error, status) {
  const message = error?.message ?? `The server answered with status ${status}. Try again; its log gives the reason.`;
  return new Refusal(status === 500 ? `${FAILED} ${message}` : message, { ...error, status });
}

export const isAbort = (error) => error.name === "AbortError";

function lost(error) {
  throw isAbort(error) ? error : new Refusal(LOST);
}
