// The server: requests with the key, refusals in plain words. It gets nothing that another client could not get.
import { key } from "./key.js";

// Where this file comes from, and not where the page was opened: that may be a longer path.
const ROOT = new URL("..", import.meta.url);
export const BASE = new URL("v1", ROOT).href;

const LOST = "The server does not answer. See that it still runs and that this machine reaches it, then try again.";
const FAILED = "This did not work. Try again or choose another model; if it stays, tell the person who runs the server:";

export class Refusal extends Error {
  constructor(message, { status = 0, param = null, code = null } = {}) {
    super(message);
    Object.assign(this, { status, param, code });
  }
}

// Asks; an answer that is not OK becomes a Refusal with the server's own message, which says what to do.
export async function ask(path, options = {}) {
  const answer = await fetch(new URL(path, ROOT), { ...options, headers: { ...options.headers, ...key.headers } }).catch(lost);
  if (answer.ok) return answer;
  const { status } = answer;
  const error = (await answer.json().catch(() => null))?.error;
  if (status === 401) {
    document.dispatchEvent(new Event("key-wanted"));
    throw new Refusal("The server wants a key: type it at the top of this page, then try again.", { status });
  }
  throw refusalOf(error, status);
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export const post = (path, body, signal) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

// Yields the pieces of an answer's body while it arrives.
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

// Yields the events of an answer; one that tells an error is thrown.
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

// What the caller can mend, and what to wait for, the server says well; a failure of its own is for the one who runs it.
function refusalOf(error, status) {
  const message = error?.message ?? `The server answered ${status}. Try again; its log says why.`;
  return new Refusal(status === 500 ? `${FAILED} ${message}` : message, { ...error, status });
}

export const isAbort = (error) => error.name === "AbortError";

function lost(error) {
  throw isAbort(error) ? error : new Refusal(LOST);
}
