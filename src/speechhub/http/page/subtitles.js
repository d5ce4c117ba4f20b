// Subtitles of a transcript: cues of at most two lines of 42 characters and seven seconds, as the server cuts them.
const COLUMNS = 42;
const LONGEST_S = 7;
const PAUSE_S = 1;
const LINGER_S = 1; // a cue stays at least this long, unless the next one begins sooner
const SENTENCE_ENDS = /[.?!…。！？｡؟।۔]["'”’»)\]]*$/u;
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/gu;

const columns = (text) => text.length + (text.match(WIDE)?.length ?? 0);

// Cues of segments as `partsOf` returns them.
export function cuesOf(segments) {
  return lingering(segments.flatMap((segment) => {
    const cues = [];
    for (const piece of timed(segment)) {
      const cue = cues.at(-1);
      if (cue && fits(cue, piece)) Object.assign(cue, { text: cue.text + piece.text, end: piece.end });
      else cues.push({ ...piece });
    }
    return cues.map((cue) => ({ ...cue, lines: lines(cue.text.trim()) })).filter((cue) => cue.text.trim());
  }));
}

// Keeps each cue on the screen for LINGER_S or until the next one; the last may begin earlier, in the silence before it.
function lingering(cues) {
  cues.forEach((cue, i) => {
    const next = cues[i + 1]?.start ?? cue.end;
    cue.end = Math.max(cue.end, Math.min(cue.start + LINGER_S, next));
    if (i === cues.length - 1) cue.start = Math.max(Math.min(cue.start, cue.end - LINGER_S), Math.min(cue.start, cues[i - 1]?.end ?? 0));
  });
  return cues;
}

// A segment's text in pieces with times: its words, each with the punctuation around it, or guessed ones.
function timed({ start, end, text, parts }) {
  const pieces = [];
  let before = "";
  for (const part of parts) {
    if (part.start !== undefined) {
      // Opening brackets and quotation marks belong to the word after them.
      pieces.push({ text: before + part.text, start: part.start, end: part.end });
      before = "";
    } else if (!pieces.length) {
      before = part.text;
    } else {
      const [, closing, opening] = part.text.match(/^(\S*)(.*)$/su);
      pieces.at(-1).text += closing;
      before = opening;
    }
  }
  if (!pieces.length) return guessed(text, start, end);
  pieces.at(-1).text += before;
  return pieces;
}

// Without word timestamps, each word gets a share of the segment's time in proportion to its length.
function guessed(text, start, end) {
  const words = text.match(/\s/u) ? text.match(/\s*\S+/gu) : [...text];
  const each = (end - start) / Math.max(text.length, 1);
  let at = start;
  return (words ?? []).map((word) => ({ text: word, start: at, end: (at += each * word.length) }));
}

function fits(cue, piece) {
  const text = (cue.text + piece.text).trim();
  if (piece.start - cue.end >= PAUSE_S || piece.end - cue.start > LONGEST_S) return false;
  if (columns(text) > 2 * COLUMNS || lines(text).some((line) => columns(line) > COLUMNS)) return false;
  return !(SENTENCE_ENDS.test(cue.text) && columns(cue.text) > COLUMNS);
}

// One line, or two of similar length.
function lines(text) {
  if (columns(text) <= COLUMNS) return [text];
  const spaces = [...text.matchAll(/\s+/gu)];
  const cut = ({ index }) => Math.max(columns(text.slice(0, index)), columns(text.slice(index).trim()));
  const best = spaces.reduce((found, space) => (found && cut(found) <= cut(space) ? found : space), null);
  return best ? [text.slice(0, best.index), text.slice(best.index).trim()] : [text];
}

function clock(s, point) {
  const ms = Math.round(s * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const rest = `${point}${String(ms % 1000).padStart(3, "0")}`;
  return `${two(Math.floor(ms / 3600000))}:${two(Math.floor(ms / 60000) % 60)}:${two(Math.floor(ms / 1000) % 60)}${rest}`;
}

// A parser would take a line with an arrow for the times of a cue.
const shown = (cue) => cue.lines.join("\n").replace(/-{2,}>/g, "->");
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export const srtOf = (cues) =>
  cues.map((cue, i) => `${i + 1}\n${clock(cue.start, ",")} --> ${clock(cue.end, ",")}\n${shown(cue)}\n\n`).join("");

export const vttOf = (cues) =>
  `WEBVTT\n\n${cues.map((cue) => `${clock(cue.start, ".")} --> ${clock(cue.end, ".")}\n${escaped(shown(cue))}\n\n`).join("")}`;
