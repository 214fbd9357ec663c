"""What the record of runs says to Postgres.

Whoever changes a run, its steps or its events has its row of `workflow_runs` locked meanwhile; so sequences have no
gaps, and each wish has one winner.
"""

# ruff: noqa: S608 - what is put into the statements are constants of these modules

from __future__ import annotations

from sqlalchemy import text

from a2a_node.model.runs import MOST_EVENTS, RunStatus, StepStatus
from a2a_node.store.run_rows import COLUMNS, STEPS, whole
from a2a_node.store.run_told import TELLING

CHANNEL = "a2a_runs"
TRIMMED_EVERY = 250  # events
ENDED = ", ".join(f"'{one}'" for one in RunStatus if one.terminal)
OVER = ", ".join(f"'{one}'" for one in StepStatus if one.terminal)
BEGUN = "'running', 'waiting', 'completed', 'failed'"
DONE = "('completed', 'skipped')"
NULL = "'null'::jsonb"

# what an event says of a run
TOLD = """jsonb_build_object(
  'status', {0}.status, 'error', {0}.error, 'started_at', {0}.started_at, 'completed_at', {0}.completed_at,
  'completed_steps', {0}.completed_steps, 'output', CASE WHEN octet_length({0}.output::text) <= 4096 THEN {0}.output END
)"""

# what those who watch are told at once; see `run_told`
PUSHED = f"CAST(jsonb_agg({TELLING} ORDER BY sequence) AS text)"

GET = whole(f"SELECT {COLUMNS}, {STEPS} FROM workflow_runs AS run WHERE run.id = :id")
HOLD = text("SELECT taken FROM workflow_runs WHERE id = :id FOR NO KEY UPDATE")
# Whose template lets only so many run may wait for others of it, and whoever waits for a child moves as that does.
# Each run's last event is looked up by itself: joined, all events there are would be read.
BACKLOG = text("""
WITH standing AS (
  SELECT run.status, CASE WHEN (run.status <> 'pending' OR run.max_concurrent_runs = 0) AND NOT EXISTS (
    SELECT FROM workflow_runs AS child
    WHERE child.parent_run_id = run.id AND child.parent_run_id <> '' AND child.completed_at IS NULL
  ) THEN (
    SELECT at FROM workflow_events AS event WHERE event.run_id = run.id AND event.sequence = run.last_sequence
  ) END AS moved_at
  FROM workflow_runs AS run WHERE run.taken OR (NOT run.taken AND run.completed_at IS NULL)
)
SELECT status, count(*) AS runs, extract(epoch FROM coalesce(clock_timestamp() - min(moved_at), interval '0')) AS still
FROM standing GROUP BY status
""")
BY_KEY = text("""
SELECT id, asked FROM workflow_runs WHERE id = :id OR (key <> '' AND created_by = :created_by AND key = :key)
""")

RECORD = whole(f"""
WITH run AS (
  INSERT INTO workflow_runs (
    id, name, description, global_context, created_by, metadata, template, template_version, inputs, parent_run_id,
    expires_at, timeout, trace_id, budget, authority, key, asked, max_concurrent_runs, total_steps, last_sequence
  ) VALUES (
    :id, :name, :description, CAST(:context AS jsonb), :created_by, CAST(:metadata AS jsonb), :template, :version,
    CAST(:inputs AS jsonb), :parent,
    least(clock_timestamp() + make_interval(secs => :timeout), CAST(:until AS timestamptz)), :timeout, :trace_id,
    CAST(:budget AS jsonb), :authority, :key, :asked, :most, jsonb_array_length(CAST(:steps AS jsonb)), 1
  ) ON CONFLICT DO NOTHING RETURNING *
), steps AS (
  INSERT INTO workflow_steps (run_id, id, position, status, step)
  SELECT run.id, step->>'id', place, step->>'status', step
  FROM run, jsonb_array_elements(CAST(:steps AS jsonb)) WITH ORDINALITY AS one (step, place)
), noted AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail) SELECT run.id, 1, 'run', {TOLD.format("run")} FROM run
)
SELECT {COLUMNS}, CAST(:steps AS jsonb) AS steps, pg_notify('{CHANNEL}', run.id) FROM run
""")

# A row that changed while this waited for it says so by another `xmin`: nothing is done then, and it is asked again.
# The steps were read as they stood before, and what others did to them would be lost. The run is named where steps are
# sought: for a list of unknown length alone all the steps there are would be read.
FRESH = "CASE WHEN kept.step #>> '{approval,decision}' IS NULL THEN said.step ELSE said.step - 'approval' END"
CHANGE = text(f"""
WITH seen AS (
  SELECT xmin::text AS version FROM workflow_runs WHERE id = :run
), held AS (
  SELECT run.*, run.xmin::text AS version FROM workflow_runs AS run
  WHERE id = :run AND executor = :executor FOR NO KEY UPDATE
), mine AS (
  SELECT held.* FROM held, seen WHERE held.taken AND held.version = seen.version
), said AS (
  SELECT mine.id AS run_id, place, one->>'id' AS step_id, one->'step' AS step, one->'progress' AS progress
  FROM mine, jsonb_array_elements(CAST(:steps AS jsonb)) WITH ORDINALITY AS every (one, place)
), changed AS (
  UPDATE workflow_steps AS kept SET status = said.step->>'status', step = kept.step || {FRESH} || jsonb_build_object(
    'started_at', coalesce(nullif(kept.step->'started_at', {NULL}),
      CASE WHEN said.step->>'status' IN ({BEGUN}) THEN to_jsonb(clock_timestamp()) END),
    'completed_at', CASE WHEN said.step->>'status' IN ({OVER})
      THEN coalesce(nullif(kept.step->'completed_at', {NULL}), to_jsonb(clock_timestamp())) END
  )
  FROM said, workflow_steps AS was
  WHERE kept.run_id = :run AND kept.id = said.step_id AND was.run_id = :run AND was.id = said.step_id
    AND said.step IS NOT NULL AND kept.step IS DISTINCT FROM kept.step || {FRESH}
  RETURNING said.place, kept.step, (kept.status IN {DONE})::int - (was.status IN {DONE})::int AS more
), happened AS (
  SELECT row_number() OVER (ORDER BY last, place) AS number, kind, detail FROM (
    SELECT 0 AS last, place, 'step' AS kind, step AS detail FROM changed
    UNION ALL
    SELECT 0, place, 'progress', jsonb_build_object('id', step_id, 'said', progress) FROM said WHERE step IS NULL
    UNION ALL
    SELECT 1, 0, 'run', NULL FROM mine WHERE :status <> '' AND (
      status <> :status OR output IS DISTINCT FROM coalesce(CAST(:output AS jsonb), output)
      OR error IS DISTINCT FROM coalesce(CAST(:error AS jsonb), error)
    )
  ) AS everything
), parts AS (
  INSERT INTO workflow_data (run_id, step_id, part, value)
  SELECT mine.id, step_id, part, CAST(value AS json) FROM mine, unnest(
    CAST(:data_steps AS text[]), CAST(:data_parts AS integer[]), CAST(:data_values AS text[])
  ) AS one (step_id, part, value)
  ON CONFLICT (run_id, step_id, part) DO UPDATE SET value = excluded.value
), kept AS (
  UPDATE workflow_runs AS run SET
    last_sequence = run.last_sequence + (SELECT count(*) FROM happened),
    completed_steps = run.completed_steps + (SELECT coalesce(sum(more), 0) FROM changed),
    status = CASE WHEN :status = '' THEN run.status ELSE :status END,
    output = coalesce(CAST(:output AS jsonb), run.output),
    error = coalesce(CAST(:error AS jsonb), run.error),
    completed_at = CASE WHEN :status IN ({ENDED}) THEN clock_timestamp() END,
    taken = :status NOT IN ({ENDED})
  FROM mine WHERE run.id = mine.id AND EXISTS (SELECT FROM happened)
  RETURNING run.*
), noted AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail)
  SELECT kept.id, mine.last_sequence + number, kind, coalesce(detail, {TOLD.format("kept")}) FROM kept, mine, happened
  RETURNING sequence, at, kind, detail
)
SELECT held.version = seen.version AS sure, held.taken, held.status, held.last_sequence AS before,
  held.pausing, held.cancelling, held.compensating, held.reason, held.attempt_group,
  coalesce(kept.last_sequence, held.last_sequence) AS after,
  (SELECT {PUSHED} FROM noted) AS told,
  CASE WHEN kept.status IN ({ENDED}) AND (kept.parent_run_id <> '' OR kept.max_concurrent_runs > 0)
    THEN pg_notify('{CHANNEL}', kept.id) END,
  CASE WHEN kept.status IN ({ENDED}) AND kept.parent_run_id <> '' THEN pg_notify('{CHANNEL}', kept.parent_run_id) END
FROM held CROSS JOIN seen LEFT JOIN kept ON true
""")
TRIM = text(f"DELETE FROM workflow_events WHERE run_id = :run AND sequence <= :after - {MOST_EVENTS - TRIMMED_EVERY}")
