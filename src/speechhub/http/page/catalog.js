// The server's models, and what each can do.
import { choose, $ } from "./elements.js";
import { askJson } from "./server.js";

let all = [];

export async function readCatalog() {
  all = (await askJson("v1/models")).data;
}

export const modelNamed = (id) => all.find((model) => model.id === id && !model.alias_of);

// Offers the models of a task, with the one preselected that OpenAI's model name stands for; returns whether there are any.
export function offerModels(id, task, alias) {
  const own = all.filter((model) => model.task === task && !model.alias_of);
  const chosen = $(id).value || all.find((model) => model.id === alias)?.alias_of;
  choose(id, own.map((model) => [model.id, model.id]), chosen);
  return own.length > 0;
}

// A model's languages as pairs of code and English name, sorted by name.
export function languagesOf(model) {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const known = (model?.languages ?? []).map((code) => [code, names.of(code)]);
  return known.sort((a, b) => a[1].localeCompare(b[1]));
}

// Offers a model's languages, and to let it find out if it can.
export function offerLanguages(id, model) {
  const known = languagesOf(model);
  const finds = model.capabilities.language_detection || !known.length;
  choose(id, [...(finds ? [["", "automatic"]] : []), ...known], $(id).value);
}
