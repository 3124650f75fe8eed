// An independent ActivityPub server for the tests, made of Fedify: one actor,
// which follows whom it is told to, notes everything that its inbox is sent,
// and sends what it is told to. It shares no code with Waypost.
//
//   node peer.mjs ORIGIN HOST PORT
//
// It prints "ready" and then serves. Tests drive it over /control:
//   GET  /control/actor                its IRI
//   GET  /control/received             what its inbox was sent, as a list
//   POST /control/follow {"object"}    by Fedify's own delivery
//   POST /control/undo   {"object"}
//   POST /control/send   {"inbox","type","object","scheme","key","proof"}
//                        one request signed by hand; answers {"status","words"}
import { createServer } from "node:http";
import {
  createFederation, generateCryptoKeyPair, MemoryKvStore, signObject, signRequest, verifyObject, verifyRequestDetailed,
} from "@fedify/fedify";
import { Activity, Application, Endpoints, Follow, Like, Object as ASObject, Undo } from "@fedify/vocab";
import { configure, getConsoleSink } from "@logtape/logtape";

const [origin, host, port] = process.argv.slice(2);
await configure({ sinks: { console: getConsoleSink() }, loggers: [
  { category: "fedify", lowestLevel: process.env.PEER_LOG ?? "fatal", sinks: ["console"] },
  { category: ["logtape", "meta"], lowestLevel: "fatal", sinks: ["console"] },
] });

const name = "robin";
const rsa2048 = () => crypto.subtle.generateKey(
  { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" }, true, ["sign", "verify"]);
const keys = [await rsa2048(), await generateCryptoKeyPair("Ed25519")];
const stranger = await rsa2048(); // in nobody's document
const federation = createFederation({ kv: new MemoryKvStore(), allowPrivateAddress: true, origin, firstKnock: process.env.PEER_KNOCK });

federation.setActorDispatcher("/users/{identifier}", async (ctx, identifier) => {
  if (identifier !== name) return null;
  const pairs = await ctx.getActorKeyPairs(identifier);
  return new Application({
    id: ctx.getActorUri(identifier), preferredUsername: name, name: "Robin's server",
    inbox: ctx.getInboxUri(identifier), endpoints: new Endpoints({ sharedInbox: ctx.getInboxUri() }),
    publicKey: pairs[0].cryptographicKey, assertionMethods: pairs.map((p) => p.multikey),
  });
}).setKeyPairsDispatcher(() => keys);

const received = [];
const taken = new Set(); // activities that Fedify verified and gave to a listener
federation.setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .on(Activity, (_, activity) => { taken.add(activity.id?.href); });

const loaders = (ctx) => ({ documentLoader: ctx.documentLoader, contextLoader: ctx.contextLoader });

// judge says what Fedify thinks of a request's signature and of each proof.
async function judge(ctx, request, body) {
  const note = { path: new URL(request.url).pathname, scheme: request.headers.has("signature-input") ? "rfc9421" : "cavage" };
  const result = await verifyRequestDetailed(new Request(request.url, { method: "POST", headers: request.headers, body }), loaders(ctx));
  note.signature = result.verified ? result.key.ownerId?.href : JSON.stringify(result.reason);
  note.activity = JSON.parse(body);
  const proofOf = async (cls, doc) => {
    if (!doc?.proof) return "none";
    try {
      return await verifyObject(cls, doc, loaders(ctx)) ? "valid" : "invalid";
    } catch (e) {
      return String(e);
    }
  };
  note.proof = await proofOf(Activity, note.activity);
  note.objectProof = await proofOf(ASObject, note.activity.object);
  return note;
}

const control = {
  "GET /control/actor": (ctx) => ({ actor: ctx.getActorUri(name).href }),
  "GET /control/received": () => received,
  "POST /control/follow": async (ctx, { object }) => deliver(ctx, object, follow(ctx, object)),
  "POST /control/undo": async (ctx, { object }) =>
    deliver(ctx, object, new Undo({ id: new URL("#undo-" + Date.now(), ctx.getActorUri(name)), actor: ctx.getActorUri(name), object: follow(ctx, object) })),
  "POST /control/send": send,
};

function follow(ctx, object) {
  return new Follow({ id: new URL("#follow-" + encodeURIComponent(object), ctx.getActorUri(name)), actor: ctx.getActorUri(name), object: new URL(object) });
}

async function deliver(ctx, object, activity) {
  const target = await ctx.lookupObject(object);
  await ctx.sendActivity({ identifier: name }, target, activity, { preferSharedInbox: true });
  return { target: target.id.href, type: target.constructor.name, inbox: target.inboxId.href, sharedInbox: target.endpoints?.sharedInbox?.href };
}

async function send(ctx, { inbox, type, object, scheme, key, proof }) {
  const [rsa, ed25519] = await ctx.getActorKeyPairs(name);
  const id = new URL("#" + type + "-" + crypto.randomUUID(), ctx.getActorUri(name));
  const cls = { Follow, Like, Undo }[type];
  let activity = new cls({ id, actor: ctx.getActorUri(name), object: type === "Undo" ? follow(ctx, object) : new URL(object) });
  if (proof) activity = await signObject(activity, ed25519.privateKey, ed25519.multikey.id, loaders(ctx));
  const body = JSON.stringify(await activity.toJsonLd({ format: "compact", contextLoader: ctx.contextLoader }));
  const request = new Request(inbox, { method: "POST", body, headers: { "Content-Type": "application/activity+json" } });
  const spec = scheme === "rfc9421" ? "rfc9421" : "draft-cavage-http-signatures-12";
  const pair = { rsa, stranger: { privateKey: stranger.privateKey, keyId: rsa.keyId } }[key ?? "rsa"];
  const response = await fetch(key === "none" ? request : await signRequest(request, pair.privateKey, pair.keyId, { spec }));
  return { status: response.status, words: await response.text(), id: id.href };
}

createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const make = () => new Request(origin + req.url, { method: req.method, headers: req.headers, body: req.method === "POST" ? body : undefined });
  const ctx = federation.createContext(new URL(origin), undefined);
  try {
    const run = control[req.method + " " + req.url];
    if (run) {
      res.setHeader("Content-Type", "application/json");
      res.end(JSON.stringify(await run(ctx, body && JSON.parse(body))));
      return;
    }
    const note = req.method === "POST" ? await judge(ctx, make(), body) : null;
    const response = await federation.fetch(make(), { contextData: undefined });
    if (note) received.push({ ...note, status: response.status, taken: taken.has(note.activity.id) });
    res.writeHead(response.status, Object.fromEntries(response.headers));
    res.end(Buffer.from(await response.arrayBuffer()));
  } catch (e) {
    console.error(e);
    res.writeHead(500).end(String(e));
  }
}).listen(Number(port), host, () => console.log("ready"));
