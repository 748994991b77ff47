// The feed of /activity. htmx fetches what came after #feed-cursor into #incoming; here it is moved into #feed, by
// minute and without doubles, or held back and counted while the reader has paused. At most 200 lines stay.
const KEPT = 200;
const feed = document.getElementById("feed");
const incoming = document.getElementById("incoming");
let isPaused = false;
/** Lines that wait, the newest first. @type {{minute: string, line: Element, title: Element}[]} */
let held = [];

const numberOf = (line) => Number(line.dataset.number);

function takeIncoming() {
  const cursor = document.getElementById("feed-cursor");
  const known = new Set(held.map(({ line }) => line.id));
  const came = [];
  for (const minute of incoming.querySelectorAll("[data-minute]")) {
    for (const line of minute.querySelectorAll("[data-number]")) {
      if (known.has(line.id) || document.querySelector(`#feed #${line.id}`) !== null) continue;
      came.push({ minute: minute.dataset.minute, line, title: minute.querySelector("h2") });
    }
  }
  incoming.replaceChildren();
  if (came.length === 0) return;
  cursor.value = Math.max(Number(cursor.value), ...came.map(({ line }) => numberOf(line)));
  held = [...came, ...held].slice(0, KEPT);
  if (isPaused) show();
  else release();
}

/** Put what waits into the feed, the oldest first, so that each goes on top. */
function release() {
  const count = held.length;
  for (const { minute, line, title } of held.reverse()) {
    line.dataset.fresh = "";
    groupOf(minute, title).prepend(line);
  }
  held = [];
  trim();
  if (count > 0) {
    document.querySelector("[data-feed-empty]").hidden = true;
    const announcer = document.getElementById("announcer");
    if (announcer !== null) announcer.textContent = count === 1 ? "1 new event" : `${count} new events`;
  }
  show();
}

/** The topmost group when it is of this minute; else a new one on top. */
function groupOf(minute, title) {
  const first = feed.querySelector("[data-minute]");
  if (first?.dataset.minute === minute) return first.querySelector("ol");
  const group = document.createElement("section");
  group.className = "feed-minute";
  group.dataset.minute = minute;
  const lines = document.createElement("ol");
  lines.className = "feed-lines";
  group.append(title.cloneNode(true), lines);
  feed.prepend(group);
  return lines;
}

function trim() {
  const lines = [...feed.querySelectorAll("[data-number]")];
  for (const line of lines.slice(KEPT)) {
    // Nobody's focus is taken away.
    if (line.contains(document.activeElement)) continue;
    const group = line.closest("[data-minute]");
    line.remove();
    if (group.querySelector("[data-number]") === null) group.remove();
  }
}

const WORDS = {
  live: "Live",
  connecting: "Connecting",
  reconnecting: "Connecting again",
  offline: "No connection",
  "signed-out": "Signed out",
};

function show() {
  const connection = document.documentElement.dataset.connection ?? "connecting";
  const count = held.length >= KEPT ? `${KEPT} or more` : String(held.length);
  const words = isPaused ? `Paused: ${count} new` : (WORDS[connection] ?? connection);
  document.querySelector("[data-feed-state]").dataset.feedState = isPaused ? "paused" : connection;
  document.querySelector("[data-feed-words]").textContent = words;
  const button = document.querySelector("[data-feed-pause]");
  button.setAttribute("aria-pressed", String(isPaused));
  for (const part of button.querySelectorAll("[data-when]")) part.hidden = (part.dataset.when === "paused") !== isPaused;
  button.querySelector("[data-feed-count]").textContent = held.length > 0 ? `, ${count} new` : "";
}

if (feed !== null && incoming !== null) {
  document.addEventListener("sluice:swapped", takeIncoming);
  document.addEventListener("sluice:connection", show);
  document.querySelector("[data-feed-pause]").addEventListener("click", () => {
    isPaused = !isPaused;
    if (isPaused) show();
    else release();
  });
  show();
}
