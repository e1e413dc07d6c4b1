// The Express peer: POST /systemevent/read as a plain Node service would do it. Express, a pg pool, one prepared
// statement a request, and the token verified in each. The bench hands it the service's own statement.
import { createSecretKey } from "node:crypto";

import express from "express";
import jwt from "jsonwebtoken";
import pg from "pg";

const { BENCH_LISTEN, BENCH_CONNECTIONS, BENCH_MARK_READ, BENCH_SECRET, BENCH_ISSUER, BENCH_AUDIENCE } = process.env;
const FIND_MEMBER = "SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL";
// A key made once: of a text, jsonwebtoken makes one in each call, which takes 0.3 ms.
const KEY = createSecretKey(BENCH_SECRET, "utf8");
const VERIFY = { algorithms: ["HS256"], issuer: BENCH_ISSUER, audience: BENCH_AUDIENCE };

const pool = new pg.Pool({ max: Number(BENCH_CONNECTIONS) }); // the rest comes from the PG* variables
const members = new Map(); // user id to member; kept for good, which no real service could do

async function findMember(userId) {
  let member = members.get(userId);
  if (member === undefined) {
    const { rows } = await pool.query(FIND_MEMBER, [userId]);
    if (rows.length === 0) return undefined;
    members.set(userId, (member = rows[0]));
  }
  return member;
}

async function authenticate(request, response, next) {
  const header = request.get("authorization") ?? "";
  let claims;
  try {
    if (!header.startsWith("Bearer ")) throw new Error("no token");
    claims = jwt.verify(header.slice("Bearer ".length), KEY, VERIFY);
  } catch {
    return response.status(401).json({ error: "Unauthorized" });
  }
  request.member = await findMember(claims.sub);
  return request.member ? next() : response.status(401).json({ error: "Unauthorized" });
}

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.post("/systemevent/read", authenticate, express.json(), async (request, response) => {
  const { id, ids } = request.body ?? {};
  const eventIds = (ids ?? [id]).filter(Number.isSafeInteger);
  if (eventIds.length === 0) return response.status(400).json({ error: "Missing or invalid id or ids" });
  const { org_key, member_key } = request.member;
  const { rows } = await pool.query({
    name: "mark_read",
    text: BENCH_MARK_READ,
    values: [org_key, member_key, eventIds],
  });
  if (rows[0].version === null) throw new Error("no cursor"); // the bench makes them
  return response.json({ success: true });
});
app.use((_error, _request, response, _next) => response.status(500).json({ error: "Internal server error" }));

const [host, port] = BENCH_LISTEN.split(":");
const server = app.listen(Number(port), host);
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
