"""How executors get runs: what they say to Postgres."""

# ruff: noqa: S608 - what is put into the statements are constants of these modules

from __future__ import annotations

from sqlalchemy import Boolean, Text, TextualSelect, column, text

from a2a_node.store.run_rows import COLUMNS, STEPS, whole
from a2a_node.store.run_statements import CHANNEL, PUSHED, TOLD

# Those whose templates bound them are counted while nobody else counts them.
FREE = "NOT taken AND completed_at IS NULL"
LATE = "expires_at <= clock_timestamp()"

RENEW = text("""
INSERT INTO workflow_executors (id, node_id, lease_until)
VALUES (:executor, :node, clock_timestamp() + make_interval(secs => :lease))
ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
RETURNING clock_timestamp() AS now
""")
RELEASE = text(f"""
WITH ended AS (DELETE FROM workflow_executors WHERE id = :executor RETURNING id)
SELECT pg_notify('{CHANNEL}', '') FROM ended
""")
FORGET = text("DELETE FROM workflow_executors WHERE lease_until < clock_timestamp() - interval '1 hour'")

TAKE = f"""
, run AS (
  UPDATE workflow_runs AS run SET
    executor = :executor, taken = true,
    status = CASE WHEN run.status = 'pending' THEN 'running' ELSE run.status END,
    started_at = coalesce(run.started_at, clock_timestamp()),
    last_sequence = run.last_sequence + (run.status = 'pending')::int
  FROM chosen WHERE run.id = chosen.id AND run.status = chosen.was RETURNING run.*, chosen.was
), noted AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail)
  SELECT run.id, run.last_sequence, 'run', {TOLD.format("run")} FROM run WHERE was = 'pending'
  RETURNING run_id, sequence, at, kind, detail
)
SELECT {COLUMNS}, {STEPS}, run.was, (SELECT {PUSHED} FROM noted WHERE run_id = run.id) AS told"""
MORE = column("was", Text), column("told", Text)
IN_ORDER = "ORDER BY run.created_at, run.id"


def _claim(orphans: str) -> TextualSelect:
    """A row in any case: whether there are also runs whose time is over, and runs whose templates bound them."""
    return whole(
        f"""
WITH others AS (
  SELECT EXISTS (SELECT FROM workflow_runs WHERE {FREE} AND {LATE}) AS lapsed,
    EXISTS (SELECT FROM workflow_runs WHERE {FREE} AND status = 'pending' AND max_concurrent_runs > 0) AS bounded
), fresh AS (
  SELECT id, status AS was, created_at FROM workflow_runs
  WHERE {FREE} AND NOT {LATE} AND status = 'pending' AND max_concurrent_runs = 0
  ORDER BY created_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
){orphans}{TAKE}, others.lapsed, others.bounded FROM others LEFT JOIN run ON true {IN_ORDER}
""",
        *MORE,
        column("lapsed", Boolean),
        column("bounded", Boolean),
    )


# Apart from the other: with one statement for both Postgres made a new plan each time, half of what a claim took.
CLAIM_FRESH = _claim(", chosen AS (SELECT * FROM fresh)")
CLAIM = _claim("""
, orphans AS (
  SELECT id, status AS was, created_at FROM workflow_runs AS run
  WHERE taken AND (NOT EXISTS (
    SELECT FROM workflow_executors AS one WHERE one.id = run.executor AND one.lease_until > clock_timestamp()
  ) OR (run.executor = :executor AND run.id <> ALL(CAST(:known AS text[]))))
  ORDER BY created_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
), chosen AS (
  SELECT * FROM (SELECT * FROM fresh UNION ALL SELECT * FROM orphans) AS either ORDER BY created_at LIMIT :limit
)""")
CLAIM_BOUNDED = whole(
    f"""
WITH busy AS (
  SELECT template, count(*) AS number FROM workflow_runs WHERE taken GROUP BY template
), ranked AS (
  SELECT run.id, run.created_at, run.max_concurrent_runs AS most, coalesce(busy.number, 0)
    + row_number() OVER (PARTITION BY run.template ORDER BY run.created_at, run.id) AS place
  FROM workflow_runs AS run LEFT JOIN busy ON busy.template = run.template
  WHERE {FREE} AND run.status = 'pending' AND run.max_concurrent_runs > 0
), chosen AS (
  SELECT id, 'pending' AS was FROM ranked WHERE place <= most ORDER BY created_at, id LIMIT :limit
){TAKE} FROM run {IN_ORDER}
""",
    *MORE,
)

LAPSED = text(f"""
SELECT id FROM workflow_runs WHERE {FREE} AND {LATE} ORDER BY created_at LIMIT 100
""")
