// Writes node.json: requests that Twilio's Node library signs and accepts, and its verdict on those where it and trusthub differ.
// Version 6.2.0 signs with auth tokens, 6.3.1 is the first that knows SharedKeys. In lab/official/testdata:
//
//	npm install --no-save twilio@6.2.0 twilio-shared-keys@npm:twilio@6.3.1
//	node generate.mjs > node.json
//	rm -r node_modules
import { createRequire } from "node:module";
import { createHash } from "node:crypto";
import querystring from "node:querystring";

const require = createRequire(import.meta.url);
const lib = require("twilio/lib/webhooks/webhooks.js");
const shared = require("twilio-shared-keys/lib/webhooks/webhooks.js");
const versions = [require("twilio/package.json").version, require("twilio-shared-keys/package.json").version];

const token = "0123456789abcdef0123456789abcdef";
const key = { id: "webhooks_sharedkey_01k5c0ffee", secret: "a-secret-of-a-shared-key" };
const signatureHeader = "X-Twilio-Signature";
const settingsHeader = "X-Twilio-Webhooks-Signature-Settings";

// mulberry32, so that every run writes the same
let state = 23;
function random(n) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
const pick = (...of) => of[random(of.length)];
const text = () => Array.from({ length: random(6) }, () => pick("a", "Z", "1", " ", "+", "%", "&", "=", "/", "?", "é", "☃", "\n", "😀")).join("");
const sha256 = (body) => createHash("sha256").update(body).digest("hex");
const append = (url, query) => url + (url.includes("?") ? "&" : "?") + query;
const withoutPort = (url) => url.replace(/(:\/\/[^/?]*?):\d+(?=[/?]|$)/, "$1");

function url() {
  let u = pick("https", "http") + "://" + pick("", "", "user:p%40ss@") + "app.example.com" + pick("", ":443", ":80", ":8443");
  for (let i = random(4); i > 0; i--) u += "/" + encodeURIComponent(text());
  if (!u.slice(8).includes("/")) u += pick("", "/");
  for (let i = random(4); i > 0; i--) u = append(u, pick("b", "a", "it's", "") + i + pick("", "=", "=1%20", "=+", "=%C3%BC", "=(x)*!"));
  return u;
}

function form(repeat) {
  const pairs = [];
  for (let i = random(8); i > 0; i--) pairs.push(encodeURIComponent(pick("Sid", "sid", "a", "A", "_", "ü", text())) + i + "=" + encodeURIComponent(text()));
  if (repeat) pairs.push("r=2", "r=10", "r=1", "r=2");
  return pairs.sort(() => random(3) - 1).join("&");
}

// sign returns the request as it is sent: signed for one URL, and called at another one.
function sign({ method = "POST", signedFor, called = signedFor, body = "", by = "token", signed, settings }) {
  const hashed = signedFor.includes("bodySHA256=");
  const params = signed ?? (method === "GET" || hashed ? {} : querystring.parse(body));
  const headers = {};
  if (by === "token") headers[signatureHeader] = lib.getExpectedTwilioSignature(token, signedFor, params);
  else {
    headers[signatureHeader] = shared.getExpectedTwilioSignature(key.secret, signedFor, params, by);
    headers[settingsHeader] = settings ?? `key=${key.id},algorithm=${by}`;
  }
  return { method, url: called, headers, body };
}

// verdict is that of the middleware twilio.webhook(), given the URL.
function verdict(r, authToken = token) {
  const request = {
    header: (name) => r.headers[name], body: r.method === "GET" ? {} : querystring.parse(r.body), rawBody: r.body || undefined,
  };
  const settings = r.headers[settingsHeader];
  const opts = { url: r.url, algorithm: shared.getSignatureAlgorithm(settings) };
  const valid = shared.validateIncomingRequest(request, settings ? key.secret : authToken, opts);
  if (!settings && valid !== lib.validateIncomingRequest(request, authToken, opts)) throw new Error("the versions differ");
  return valid;
}

function generate(n, options) {
  return Array.from({ length: n }, () => {
    let signedFor = url(), body = form(options.repeat);
    const method = pick("POST", "POST", "GET");
    if (method === "GET") {
      if (body) signedFor = append(signedFor, body);
      body = "";
    } else if (random(4) === 0) {
      body = JSON.stringify({ name: text() });
      signedFor = append(signedFor, "bodySHA256=" + sha256(body));
    }
    const standard = /^(https:[^?]*:443|http:[^?]*:80)(?=[/?]|$)/.test(signedFor);
    const spellings = [[signedFor, signedFor], [withoutPort(signedFor), signedFor], standard ? [signedFor, withoutPort(signedFor)] : [signedFor, signedFor]];
    const [as, called] = pick(...spellings);
    const r = sign({ method, signedFor: as, called, body, by: pick(...options.by) });
    if (!verdict(r)) throw new Error("not valid: " + JSON.stringify(r));
    return r;
  });
}

const hook = "https://app.example.com/hook";
const hash = "bodySHA256=" + "b7a80df52b4d45926de7e92a63219b4dec8e93e3527a65188d147b54c880ea9f";
const differences = {
  "bodySHA256 of a GET": sign({ method: "GET", signedFor: `${hook}?${hash}&${hash}&Status=draft` }),
  "user info dropped": sign({ signedFor: hook, called: "https://user:secret@app.example.com/hook", body: "A=1" }),
  "slash of the request": sign({ signedFor: "https://app.example.com", called: "https://app.example.com/", body: "A=1" }),
  "slash that is signed": sign({ signedFor: "https://app.example.com/", called: "https://app.example.com", body: "A=1" }),
  "escaped in another way": sign({ signedFor: hook + "?q=%27", called: hook + "?q='", body: "A=1" }),
  "repeated parameters": sign({ signedFor: hook, body: "A=2&A=1" }),
  "added repeated parameter": sign({ signedFor: hook, body: "A=2&A=1", signed: { A: "2" } }),
  "two bodySHA256": sign({ signedFor: `${hook}?bodySHA256=${sha256("{}")}&bodySHA256=00`, body: "{}" }),
  "empty bodySHA256": sign({ signedFor: `${hook}?bodySHA256=`, body: "A=1", signed: { A: "1" } }),
  "IPv6 and a port": sign({ signedFor: "https://[2001:db8::1]/hook", called: "https://[2001:db8::1]:443/hook", body: "A=1" }),
  "unescaped path and a port": sign({ signedFor: "https://app.example.com/a|b", called: "https://app.example.com:443/a|b", body: "A=1" }),
  "no form": sign({ signedFor: hook, body: "A=%zz" }),
  "no algorithm": sign({ signedFor: hook, body: "A=1", by: "HMAC_SHA1", settings: "key=" + key.id }),
  "another key is named": sign({ signedFor: hook, body: "A=1", by: "HMAC_SHA1", settings: "key=other,algorithm=HMAC_SHA1" }),
  "too large a body": sign({ signedFor: hook, body: "A=" + "1".repeat(64 << 10) }),
  "too many parameters": sign({ signedFor: hook, body: Array.from({ length: 301 }, (_, i) => "a" + i).join("&") }),
};
const empty = sign({ signedFor: hook, body: "A=1" });
empty.headers[settingsHeader] = "";
differences["empty header of settings"] = empty;

const blank = { method: "POST", url: hook, headers: {}, body: "A=1" };
blank.headers[signatureHeader] = lib.getExpectedTwilioSignature("", hook, { A: "1" });

console.log(JSON.stringify({
  versions, token, key,
  both: generate(300, { by: ["token", "token", "HMAC_SHA1"] }), // twilio-go, too
  node: generate(150, { by: ["token", "HMAC_SHA256"], repeat: true }),
  differences: { ...Object.fromEntries(Object.entries(differences).map(([name, r]) => [name, { ...r, valid: verdict(r) }])), "blank token": { ...blank, valid: verdict(blank, "") } },
}, null, 1));
