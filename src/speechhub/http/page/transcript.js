// The transcript of a recording: its segments and words play the recording from there, and light up while they are heard.
import { $, make } from "./elements.js";

const FAR = 30; // most characters between two words

let shown = []; // { start, end, item, words: [{ start, end, mark }] }
let lit = { segment: null, word: null };

const player = () => $("recording");

export function clearTranscript() {
  shown = [];
  lit = { segment: null, word: null };
  $("segments").replaceChildren();
  $("segments").hidden = true;
}

// Shows segments as `partsOf` returns them.
export function showTranscript(segments) {
  clearTranscript();
  shown = segments.map(({ start, end, parts }) => {
    const words = [];
    const text = make("p");
    for (const part of parts) {
      if (part.start === undefined) {
        text.append(part.text);
        continue;
      }
      const mark = make("span", { className: "word", textContent: part.text });
      mark.dataset.start = part.start;
      text.append(mark);
      words.push({ ...part, mark });
    }
    const time = make("button", { type: "button", className: "time", tabIndex: -1 }, clock(start));
    time.ariaLabel = `play from ${clock(start)}`;
    const item = make("li", {}, time, text);
    item.dataset.start = start;
    return { start, end, item, words };
  });
  $("segments").replaceChildren(...shown.map((segment) => segment.item));
  $("segments").hidden = !shown.length;
  if (shown.length) timeOf(shown[0]).tabIndex = 0;
}

// Cuts each segment's text into parts: its words that have times, and the text between them.
export function partsOf(segments, words = []) {
  let next = 0;
  return segments.map(({ start, end, text }, place) => {
    const whole = text.trim();
    const until = segments[place + 1]?.start ?? Infinity;
    const parts = [];
    let at = 0;
    while (next < words.length && words[next].start < until) {
      const word = words[next];
      const found = whole.indexOf(word.word, at);
      next += 1;
      if (found < 0 || found > at + FAR) continue; // not found nearby: the word stays in the text but cannot be clicked
      if (found > at) parts.push({ text: whole.slice(at, found) });
      at = found + word.word.length;
      parts.push({ text: word.word, start: word.start, end: word.end });
    }
    if (at < whole.length) parts.push({ text: whole.slice(at) });
    return { start, end, text: whole, parts };
  });
}

// A time as a person reads it.
export function clock(s) {
  const [hours, minutes, rest] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, Math.floor(s) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

const timeOf = (segment) => segment.item.querySelector("button");

function seek(event) {
  const place = event.target.closest("[data-start]");
  const selects = place && !event.target.closest("button") && !document.getSelection().isCollapsed;
  if (!place || selects || player().hidden) return; // selecting text must not start the recording
  player().currentTime = Number(place.dataset.start);
  light();
  player().play().catch(() => {}); // where the browser requires another click, its controls show that
}

// Tab stops at the list once; the arrow keys move through its times.
function walk(event) {
  const now = shown.findIndex((segment) => segment.item.contains(document.activeElement));
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: shown.length - 1 }[event.key];
  if (now < 0 || !shown[to]) return;
  event.preventDefault();
  timeOf(shown[now]).tabIndex = -1;
  timeOf(shown[to]).tabIndex = 0;
  timeOf(shown[to]).focus();
}

const at = (list, s) => list.findLast(({ start, end }) => start <= s && s < end) ?? null;

// Lights up the segment and the word that are being heard.
function light() {
  const s = player().currentTime + 0.001;
  const segment = at(shown, s);
  const word = segment && at(segment.words, s);
  if (segment !== lit.segment) {
    lit.segment?.item.removeAttribute("aria-current");
    segment?.item.setAttribute("aria-current", "true");
    if (segment && !player().paused) bringIntoView(segment.item);
  }
  if (word !== lit.word) {
    lit.word?.mark.classList.remove("heard");
    word?.mark.classList.add("heard");
  }
  lit = { segment, word };
}

// Scrolls the list, never the page.
function bringIntoView(item) {
  const list = $("segments");
  const [top, bottom] = [item.offsetTop - list.offsetTop, item.offsetTop - list.offsetTop + item.offsetHeight];
  if (top < list.scrollTop || bottom > list.scrollTop + list.clientHeight) list.scrollTop = top;
}

function follow() {
  light();
  if (!player().paused) requestAnimationFrame(follow);
}

player().addEventListener("play", follow);
player().addEventListener("seeked", light);
$("segments").onclick = seek;
$("segments").onkeydown = walk;
