// The API key: in the tab's storage, or in the browser's if the user asks for that.
const NAME = "speechhub-key";

// A browser that forbids storage throws on every access; the key then lives only as long as the page.
function stored(storage, action) {
  try {
    return action(window[storage]);
  } catch {
    return null;
  }
}

const read = (storage) => stored(storage, (items) => items.getItem(NAME));

export const key = {
  value: read("sessionStorage") ?? read("localStorage") ?? "",

  keep(value, long) {
    this.forget();
    this.value = value;
    stored(long ? "localStorage" : "sessionStorage", (items) => items.setItem(NAME, value));
  },

  forget() {
    this.value = "";
    stored("sessionStorage", (items) => items.removeItem(NAME));
    stored("localStorage", (items) => items.removeItem(NAME));
  },

  // The server compares the key's UTF-8 bytes, and fetch() sends each character of a header as one byte.
  get headers() {
    if (!this.value) return {};
    return { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(this.value))}` };
  },
};
