// Closes what hx-csp leaves open: an element without the page's nonce sends nothing, and no script or expression that
// comes in a fragment runs, because our trusted-types policy makes HTML and nothing else.
import htmx from "./htmx.js";

const pageNonce = document.querySelector("script[nonce]")?.nonce ?? null;
let nonceOf = () => null;

htmx.registerExtension("guard", {
  init(api) {
    nonceOf = (element) => api.attributeValue(element, "hx-nonce");
    const policy = globalThis.trustedTypes?.createPolicy("app", { createHTML: (text) => text });
    if (policy) api.initSecurity(policy);
  },

  htmx_config_request(element, detail) {
    if (pageNonce !== null && nonceOf(element) === pageNonce) return;
    detail.cancelled = true;
    return false;
  },
});
