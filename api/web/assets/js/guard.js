// Closes what hx-csp leaves open: an element without the page's nonce sends nothing, and no script or expression that
// comes in a fragment runs, because our trusted-types policy makes HTML and nothing else. Fires `sluice:swapped`.
import htmx from "./htmx.js";

// What the reader opened (<details>, <dialog>) stays open when its part of the page comes anew.
htmx.config.morphIgnore.push("open");

const pageNonce = document.querySelector("script[nonce]")?.nonce ?? null;
let nonceOf = () => null;

htmx.registerExtension("guard", {
  init(api) {
    nonceOf = (element) => api.attributeValue(element, "hx-nonce");
    const policy = globalThis.trustedTypes?.createPolicy("app", { createHTML: (text) => text });
    if (policy) api.initSecurity(policy);
  },

  htmx_config_request(element, detail) {
    // Whom this page was shown to: who signs in here after them does not act by it.
    detail.ctx.request.headers["Sluice-Reader"] = document.documentElement.dataset.reader ?? "";
    if (pageNonce !== null && nonceOf(element) === pageNonce) return;
    detail.cancelled = true;
    return false;
  },

  // Told to document, which hears it also when the element that asked is gone from the page by then.
  htmx_after_swap(element, { ctx }) {
    document.dispatchEvent(new CustomEvent("sluice:swapped", { detail: { target: ctx.target } }));
  },

  // A failure goes where our server says (`#notices`). A proxy's error page goes nowhere, and an element that fetched
  // itself keeps what it shows: the connection tells that it is old. So does a page whose reader is signed out: it stays,
  // with what they typed, and goes on once they are back.
  htmx_after_request(element, { ctx }) {
    const isSignedOut = ctx.response.status === 401;
    if (isSignedOut) document.dispatchEvent(new CustomEvent("sluice:refused"));
    if (ctx.response.status < 500 && !isSignedOut) return;
    if (ctx.hx.retarget !== undefined && !element.matches("[data-live]")) return;
    ctx.hx.retarget = undefined;
    ctx.hx.reswap = "none";
  },
});
