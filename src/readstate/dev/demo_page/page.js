import { createInbox, ReadState } from '/demo/readstate.js';

/** A token is renewed so many milliseconds before it expires. */
const EARLY = 30_000;

/** Returns a function that returns a token, and fetches another one when it is time. */
function tokenOf(user) {
  let kept = null;
  return async (renew) => {
    if (renew || !kept || kept.until < Date.now()) {
      const answer = await post('/demo/token', { user });
      const { token, expires_in: seconds } = await answer.json();
      kept = { token, until: Date.now() + seconds * 1_000 - EARLY };
    }
    return kept.token;
  };
}

async function post(path, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer;
}

/** Shows the inbox of a user, and in words what it knows. */
function show(section) {
  const token = tokenOf(section.dataset.user);
  const inbox = createInbox(new ReadState({ baseUrl: '/', token }));
  section.querySelector('readstate-bell').inbox = inbox;
  const state = section.querySelector('.state');
  inbox.subscribe(() => {
    const { status, unread } = inbox.getSnapshot();
    const count = unread ? `${unread.unread_count} of ${unread.head} events unread` : 'no numbers yet';
    state.textContent = `${count} (${status})`;
  });
  return token;
}

const [ada] = [...document.querySelectorAll('section')].map(show);

async function record(count) {
  const said = document.querySelector('#said');
  try {
    await post('/demo/events', { count }, await ada());
    said.textContent = `Recorded: ${count}`;
  } catch (error) {
    said.textContent = String(error.message);
  }
}

document.querySelector('#record').addEventListener('click', () => record(1));
document.querySelector('#record-many').addEventListener('click', () => record(20));
