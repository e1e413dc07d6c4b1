// Marks an event and reads the state back, with the types that openapi-typescript makes: node mark.js URL TOKEN.

import type { paths } from './openapi';

type Body<Path extends keyof paths> = paths[Path] extends {
  post: { requestBody: { content: { 'application/json': infer Content } } };
}
  ? Content
  : never;
type Reply<Path extends keyof paths> = paths[Path] extends {
  post: { responses: { 200: { content: { 'application/json': infer Content } } } };
}
  ? Content
  : never;

declare const process: { argv: string[] };

const [, , url, token] = process.argv;

async function post<Path extends keyof paths>(path: Path, body: Body<Path>): Promise<Reply<Path>> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Reply<Path>;
}

async function main(): Promise<void> {
  const { success } = await post('/systemevent/read', { id: 1 });
  const counted = await post('/v1/system-events/actions/mark-read', { ids: [1, 2] });
  const changed: number = counted.changed_count;
  console.log(success, changed, counted.matched_count);
}

// @ts-expect-error an id is a number
void ((): Body<'/systemevent/read'> => ({ id: 'one' }));

void main();
