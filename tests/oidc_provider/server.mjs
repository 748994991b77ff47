// A real OpenID Connect provider on 127.0.0.1 for tests. It prints its issuer on one line once it listens.
// Whoever types a name of `people` into its sign-in form is that person; it asks for no password and no consent.

import { createServer } from "node:http";
import { Provider, interactionPolicy } from "oidc-provider";

const people = JSON.parse(process.argv[2]);
const server = createServer();
const policy = interactionPolicy.base();
policy.get("consent").checks.remove("native_client_prompt");

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const common = {
    // A native client's loopback addresses may have any port (RFC 8252, section 7.3).
    application_type: "native",
    redirect_uris: ["http://127.0.0.1/login/oidc/callback"],
    post_logout_redirect_uris: ["http://127.0.0.1/login"],
    response_types: ["code"],
    grant_types: ["authorization_code"],
  };
  const provider = new Provider(issuer, {
    clients: [
      { ...common, client_id: "sluice", client_secret: "a secret + of % the tests" },
      { ...common, client_id: "sluice-public", token_endpoint_auth_method: "none" },
    ],
    claims: { openid: ["sub"], profile: ["name", "groups", "realm_access"], email: ["email", "email_verified"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["of-the-tests"] },
    pkce: { required: () => true },
    interactions: { policy },
    features: { rpInitiatedLogout: { enabled: true } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    async loadExistingGrant(ctx) {
      const grant = new provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
  });
  const allowed = provider.Client.prototype.postLogoutRedirectUriAllowed;
  provider.Client.prototype.postLogoutRedirectUriAllowed = function anyPort(value) {
    const url = new URL(value);
    if (url.hostname === "127.0.0.1") url.port = "";
    return allowed.call(this, url.href);
  };
  server.on("request", provider.callback());
  process.stdout.write(`${issuer}\n`);
});
