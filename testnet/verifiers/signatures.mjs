// Checks one signed request with every verifier at hand that knows its scheme.
// Reads {"method","url","headers","body","publicKeyPem","keyId"} from stdin and
// prints {"verifier": true | false | "what went wrong", …}.
import { createHash, createPublicKey } from "node:crypto";
import { text } from "node:stream/consumers";
import { cavage, createVerifier, httpbis } from "http-message-signatures";
import { Parser } from "activitypub-http-signatures";

const request = JSON.parse(await text(process.stdin));
const body = Buffer.from(request.body ?? "", "base64");
const pem = createPublicKey(request.publicKeyPem).export({ type: "spki", format: "pem" });
const verdict = {};

async function ask(name, f) {
  try {
    verdict[name] = await f();
  } catch (e) {
    verdict[name] = String(e);
  }
}

const config = {
  keyLookup: async (params) => params.keyid === request.keyId
    ? { id: params.keyid, algs: ["rsa-v1_5-sha256"], verify: createVerifier(pem, "rsa-v1_5-sha256") } : null,
};
const { "signature-input": input, digest, "content-digest": contentDigest } = request.headers;
if (input) {
  await ask("http-message-signatures httpbis", () => httpbis.verifyMessage(config, request));
} else {
  await ask("http-message-signatures cavage", () => cavage.verifyMessage(config, request));
  await ask("activitypub-http-signatures", () => {
    const { pathname, search } = new URL(request.url);
    const signature = new Parser().parse({ ...request, url: pathname + search });
    return signature.keyId === request.keyId && signature.verify(pem);
  });
}
const sum = createHash("sha256").update(body).digest("base64");
if (digest) await ask("digest", () => digest === "SHA-256=" + sum);
if (contentDigest) await ask("content-digest", () => contentDigest === "sha-256=:" + sum + ":");
console.log(JSON.stringify(verdict));
