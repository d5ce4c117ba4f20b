// The way in: asks for the key where the server wants one, and remembers it.
import { $, guarded, note } from "./elements.js";
import { key } from "./key.js";
import { readHealth } from "./models.js";

const OLD = "The key that this browser remembers does not open this server any more. Ask the person who runs it for the new one.";
const WRONG = "That key does not open this server. See that all of it was copied, then try again.";

// Shows the page to those who are let in, and the question for the key to the others.
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
