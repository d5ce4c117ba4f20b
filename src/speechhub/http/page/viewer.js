// A dialog that shows a text: the answer behind a link of the footer, or what the browser would not copy.
import { $, note } from "./elements.js";
import { key } from "./key.js";
import { ask } from "./server.js";

export function view(title, text) {
  $("viewer-title").textContent = title;
  $("viewer-text").textContent = text;
  $("viewer").showModal();
}

// A link cannot carry the key; if there is one, the answer is fetched with it and shown here.
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
  } catch { // browsers allow the clipboard on https:// and localhost only
    view("Copy this", text);
  }
}

document.querySelector("footer").onclick = open;
