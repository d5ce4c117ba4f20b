// Access: asks for the API key if the server requires one, and remembers it.
import { $, guarded, note } from "./elements.js";
import { key } from "./key.js";
import { readHealth } from "./models.js";

const OLD = "This server no longer accepts the key that this browser remembers. Ask the person who runs the server for a new one.";
const WRONG = "The server does not accept this key. Check that you copied all of it, then try again.";

// Shows the page if the server grants access; otherwise shows the form that asks for the key.
export async function enter(letIn) {
  const health = await readHealth();
  if (health) {
    $("key-form").hidden = true;
    $("forget").hidden = !key.value;
    $("other-key").hidden = health.operator;
    show(true);
    await letIn(health);
    return;
  }
  if (key.value) note("key-why", OLD);
  askForKey();
}

export function askForKey() {
  show(false);
  $("key-form").hidden = false;
  note("status", "");
  $("key").focus();
}

function show(all) {
  $("tools").hidden = !all;
  document.querySelector("footer").hidden = !all;
}

export function offerKeyForm(letIn) {
  $("key-form").onsubmit = guarded("key-note", async () => {
    key.keep($("key").value.trim(), $("key-long").checked);
    if (await readHealth()) {
      $("key").value = "";
      await enter(letIn);
    } else {
      key.forget();
      note("key-note", WRONG, true);
      $("key").select();
    }
  });
  $("other-key").onclick = () => document.dispatchEvent(new Event("key-wanted"));
  $("forget").onclick = () => {
    key.forget();
    location.reload();
  };
}
