// The page at the root, for trying the API from a browser.
import { askForKey, enter, offerKeyForm } from "./access.js";
import { showCaptions, stopCaptions } from "./captions.js";
import { readCatalog } from "./catalog.js";
import { $, note } from "./elements.js";
import { showListening } from "./listening.js";
import { stopWatching, watchModels } from "./models.js";
import { BASE } from "./server.js";
import { showSpeech } from "./speech.js";
import "./curl.js";

async function open(health) {
  await readCatalog();
  showListening();
  showCaptions();
  watchModels(health);
  await showSpeech(); // last: it may load a model to ask for its voices
}

$("base-url").textContent = BASE;
offerKeyForm(open);
document.addEventListener("key-wanted", () => { stopWatching(); stopCaptions(); askForKey(); });
enter(open).catch((error) => note("status", error.message, true));
