// The server that the page watches and operates, where several answer at its address and a request reaches any of them.
import { $, choose, note } from "./elements.js";
import { askJson } from "./server.js";

let watched = null; // its name; null before the first answer, and for a server that is alone

export const ofReplica = (path) => (watched === null ? path : `${path}?replica=${encodeURIComponent(watched)}`);

// Whether this is the health of the watched server: another may have been chosen while the answer was on its way.
export const isWatched = (health) => health.replica === watched;

// Returns the health of the watched server; once that has ended, of any other, which is watched from then on.
export async function watchedHealth() {
  const wanted = watched;
  const health = await askJson(ofReplica("health")).catch((error) => {
    if (error.code !== "replica_not_found") throw error;
    note("models-note", `${wanted} does not answer any more; the page goes on with another server.`);
    return askJson("health");
  });
  if (watched === wanted) watched = health.replica ?? null;
  return health;
}

// Offers the servers; the list is left alone while it stays the same, because it may be open.
export function showReplicas({ replica, replicas }) {
  $("replica-row").hidden = replica === null;
  const offered = [...$("replica").options].map((option) => option.value);
  if (offered.join() !== replicas.join()) choose("replica", replicas.map((name) => [name, name]), replica);
  $("replica").value = replica;
}

export function onReplicaChosen(action) {
  $("replica").onchange = () => {
    watched = $("replica").value;
    action();
  };
}
