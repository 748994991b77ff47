// Makes a page the same in every run: times count from one noon, countdowns stand, random ids and digests get names by
// the order in which they appear. Only words change, never how the page is laid out.
() => {
  const NOON = Date.parse("2026-11-21T12:00:00Z");
  const STEP = 300_000; // ms: runs differ by less
  const shift = NOON - Date.parse(document.documentElement.dataset.now);
  const CLOCK = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  });
  const FULL = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });
  for (const time of document.querySelectorAll("time[datetime][data-time]")) {
    const at = Date.parse(time.dateTime) + shift;
    const near = Math.ceil(at / STEP) * STEP;
    if (time.dataset.time === "clock") time.textContent = CLOCK.format(near);
    else if (time.dataset.time === "full") time.textContent = FULL.format(near);
    else if (Math.abs(at - NOON) < STEP) time.textContent = "just now";
    delete time.dataset.time;
  }
  for (const box of document.querySelectorAll("[data-countdown]")) {
    const left = box.querySelector("[data-left]");
    if (left !== null) {
      left.textContent = left.textContent.replace(/^(\d+) min \d+ s$/, (_, minutes) => `${Number(minutes) + 1} min`);
      left.textContent = left.textContent.replace(/^(\d+) h 59 min$/, (_, hours) => `${Number(hours) + 1} h 0 min`);
    }
    box.removeAttribute("data-countdown");
  }
  const names = new Map();
  const named = (kind, found, length) => {
    if (!names.has(found)) names.set(found, names.size + 1);
    return kind + String(names.get(found)).padStart(length, "0");
  };
  const known = [
    [/\b([a-z]{3}_)([0-9a-zA-Z]{16,})\b/g, (all, kind, rest) => named(kind, all, rest.length)],
    [/\b[0-9a-f]{32,64}\b/g, (all) => named("", all, all.length)],
    [/\b[0-9a-f]{12,31}\b/g, (all) => named("", all, all.length)],
    [/\b\d+ (s|ms) (ago|old)\b/g, (_, unit, word) => `3 s ${word}`],
    [/[A-Za-z0-9+/]{40,}={0,2}/g, (all) => named("", all, all.length)],
    [/127\.0\.0\.1:\d+/g, () => "127.0.0.1:8000"],
  ];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    let words = walker.currentNode.nodeValue;
    for (const [pattern, instead] of known) words = words.replace(pattern, instead);
    if (words !== walker.currentNode.nodeValue) walker.currentNode.nodeValue = words;
  }
  for (const field of document.querySelectorAll("input[type=text], input[type=search], input:not([type])")) {
    for (const [pattern, instead] of known) field.value = field.value.replace(pattern, instead);
  }
  document.activeElement?.blur?.();
}
