// The models that the server has, and what each can do.
import { choose, $ } from "./elements.js";
import { askJson } from "./server.js";

let all = [];

export async function readCatalog() {
  all = (await askJson("v1/models")).data;
}

export const modelNamed = (id) => all.find((it) => it.id === id && !it.alias_of);

// Offers the models of a task, the one first that OpenAI's name stands for; says whether there is any.
export function offerModels(id, task, alias) {
  const own = all.filter((it) => it.task === task && !it.alias_of);
  const chosen = $(id).value || all.find((it) => it.id === alias)?.alias_of;
  choose(id, own.map((it) => [it.id, it.id]), chosen);
  return own.length > 0;
}

// Pairs of code and English name, by name.
export function languagesOf(model) {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const known = (model?.languages ?? []).map((code) => [code, names.of(code)]);
  return known.sort((a, b) => a[1].localeCompare(b[1]));
}
