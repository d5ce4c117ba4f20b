// Finds the page's elements by id and sets what they show.
export const $ = (id) => document.getElementById(id);

// Makes an element; children are elements or text, which is never parsed as HTML.
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

export function note(id, text, bad = false) {
  if ($(id).textContent !== text) $(id).textContent = text; // screen readers would read the same text again
  $(id).classList.toggle("bad", bad);
}

export function choose(id, options, chosen) {
  $(id).replaceChildren(...options.map(([value, label]) => new Option(label, value, false, value === chosen)));
}

export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;

// Wraps an action of a form or button: its error becomes a note.
export function guarded(noteId, action) {
  return async (event) => {
    event?.preventDefault();
    try {
      await action(event);
    } catch (error) {
      note(noteId, error.message, true);
    }
  };
}

const addresses = new Map();

// Gives a link or a player a blob to offer, and frees the one that it offered before.
export function offer(id, property, blob) {
  if (addresses.has(id)) URL.revokeObjectURL(addresses.get(id));
  addresses.set(id, URL.createObjectURL(blob));
  $(id)[property] = addresses.get(id);
}
