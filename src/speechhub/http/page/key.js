// The API key: in the tab's storage, or in the browser's if its owner wants that.
const NAME = "speechhub-key";

// A browser that forbids storage throws where it is touched; then the key lives as long as the page.
function stored(storage, action) {
  try {
    return action(window[storage]);
  } catch {
    return null;
  }
}

const read = (storage) => stored(storage, (it) => it.getItem(NAME));

export const key = {
  value: read("sessionStorage") ?? read("localStorage") ?? "",

  keep(value, long) {
    this.forget();
    this.value = value;
    stored(long ? "localStorage" : "sessionStorage", (it) => it.setItem(NAME, value));
  },

  forget() {
    this.value = "";
    stored("sessionStorage", (it) => it.removeItem(NAME));
    stored("localStorage", (it) => it.removeItem(NAME));
  },

  // The server compares bytes of UTF-8, and a header holds bytes.
  get headers() {
    if (!this.value) return {};
    return { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(this.value))}` };
  },
};
