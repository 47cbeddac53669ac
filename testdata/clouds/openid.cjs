// A certified OpenID provider, oidc-provider, with one client and its own pages
// for signing in. Every person who signs in is who they say.
// usage: node openid.cjs PORT CLIENT-ID CLIENT-SECRET REDIRECT-URI
const path = require("node:path");

const [port, id, secret, redirect] = process.argv.slice(2);

(async () => {
  // NODE_PATH counts for require alone.
  const { Provider } = await import(path.join(process.env.NODE_PATH, "oidc-provider/lib/index.js"));
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{ client_id: id, client_secret: secret, redirect_uris: [redirect], response_types: ["code"], grant_types: ["authorization_code"] }],
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["a key of a test"] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, email: `${sub}@example.com`, email_verified: !sub.startsWith("unverified"), name: `Name of ${sub}` }),
    }),
  });
  provider.listen(Number(port), "127.0.0.1");
})();
