// A window over the page with a text: what the server says of itself, or what should have been copied.
import { $, note } from "./elements.js";
import { key } from "./key.js";
import { ask } from "./server.js";

export function view(title, text) {
  $("viewer-title").textContent = title;
  $("viewer-text").textContent = text;
  $("viewer").showModal();
}

// A link cannot carry the key, so that its answer is fetched and shown here where the server wants one.
async function open(event) {
  const link = event.target.closest("a");
  if (!link || !key.value) return;
  event.preventDefault();
  try {
    const answer = await ask(link.href);
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get("content-type"));
    view(link.textContent, isJson ? JSON.stringify(JSON.parse(text), null, 2) : text);
  } catch (error) {
    view(link.textContent, error.message);
  }
}

export async function copy(text, noteId) {
  try {
    await navigator.clipboard.writeText(text);
    note(noteId, "copied");
  } catch { // browsers lend the clipboard on https:// and localhost only
    view("Copy this", text);
  }
}

document.querySelector("footer").onclick = open;
