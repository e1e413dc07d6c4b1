"""Group commit: calls that arrive while a write is in flight leave together in the next one.

One durable commit then serves many calls, as in a database's own log. The promise, for every call:

- It waits for nobody on an idle server, and otherwise for two batches in flight. Where statements are slow, more
  batches leave, and each waits for company: a tenth of a statement's time, at most 0.25 s.
- It begins after another's reply only to see that one's effect. Nothing more is promised about order.
- Its counts are its own. The first call of a batch that names a mark counts it as changed, every call counts its
  matches.
- Abandoned, it leaves the queue; in flight, it may still be committed.
- Nobody is in two batches in flight at once: a member's calls that are not in one batch follow each other.
- Organisations leave in turn, and in each its members. What one of them may have waiting is bounded: beyond that a
  call is refused with Overloaded, before anything is written.
- What has to go by itself (a call too large for a batch, one whose rows are held, an organisation whose rows broke a
  batch lately) has connections of its own, at most half of the pool, and one organisation at most half of those.
- A batch is split, by halves, only for what its rows cause. Where the database is slow, its calls fail together. Where
  the connection is lost, the batch is written once more as it is.
- A batch has the time of the call in it that has most. So whoever still waits for an answer gets the batch's own.

`turns` holds who waits, `lane` is a kind of write, `commit` decides what leaves when and what becomes of it.
"""

from readstate.store.group_commit.commit import GroupCommit
from readstate.store.group_commit.lane import Lane

__all__ = ["GroupCommit", "Lane"]
