// The server's time, so that a reader's wrong clock cannot stretch a deadline. <html data-now="…"> is when the server
// wrote the page; the page was asked for before that and read after it. The time of day can be put back, and the page's
// own time stands still while the machine sleeps: whichever is further counts.
const written = Date.parse(document.documentElement.dataset.now ?? "");
const navigation = performance.getEntriesByType("navigation")[0];
const read = performance.timeOrigin + (navigation?.responseStart ?? 0);
const offset = Number.isNaN(written) ? 0 : written - read;

/** @returns {number} the server's time, ms since 1970, as well as this page can know it */
export function serverNow() {
  return Math.max(performance.timeOrigin + performance.now(), Date.now()) + offset;
}
