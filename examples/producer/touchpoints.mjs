// Sends touchpoints to `journeys listen`, again under the same ids until they are in the topic.
//
//     node touchpoints.mjs http://127.0.0.1:8047
//
// JOURNEYS_LISTEN_KEY is the key, where one is asked for. Node 18 or newer; no packages.

const [url] = process.argv.slice(2);
const touchpoints = [
  {
    journey_id: "journey-123",
    touchpoint_id: "click-77", // the idempotency key: said again, it counts once
    occurred_at: "2026-01-31T12:00:00.250Z",
    channel: "search",
    event_type: "click",
    state: "CONSIDERING",
    cost: "1.25",
  },
  { journey_id: "journey-124", touchpoint_id: "view-1", occurred_at: 1769860801000, state: "AWARE", cost: 0 },
];

async function send(records) {
  const headers = { "Content-Type": "application/json" };
  if (process.env.JOURNEYS_LISTEN_KEY) headers.Authorization = `Bearer ${process.env.JOURNEYS_LISTEN_KEY}`;
  for (let wait = 1; ; wait = Math.min(2 * wait, 30)) {
    let answer;
    try {
      answer = await fetch(`${url}/records`, { method: "POST", headers, body: JSON.stringify(records) });
    } catch (error) {
      console.error(`no answer (${error.cause?.code ?? error.message}), once more`);
    }
    if (answer && answer.status !== 429 && answer.status < 500) return { status: answer.status, ...(await answer.json()) };
    await new Promise((resolve) => setTimeout(resolve, 1000 * (Number(answer?.headers.get("Retry-After")) || wait)));
  }
}

const answer = await send(touchpoints);
// 202: all are in the topic. 422: those in `lines` are not, and each says why; the others are.
console.log(JSON.stringify(answer));
process.exit(answer.status === 202 ? 0 : 1);
