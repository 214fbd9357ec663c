"""What people wish of runs: what is said to Postgres while the run's row is locked."""

# ruff: noqa: S608 - what is put into the statements are constants of these modules

from __future__ import annotations

from sqlalchemy import text

from a2a_node.store.run_statements import CHANNEL, DONE, TOLD

WISH = text(f"""
WITH run AS (
  UPDATE workflow_runs AS run SET
    pausing = :pausing, cancelling = :cancelling, compensating = :compensating, reason = :reason, status = :status,
    last_sequence = run.last_sequence + (run.status <> :status)::int
  FROM workflow_runs AS was WHERE run.id = :id AND was.id = run.id RETURNING run.*, was.status <> run.status AS told
), noted AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail)
  SELECT run.id, run.last_sequence, 'run', {TOLD.format("run")} FROM run WHERE told
)
SELECT pg_notify('{CHANNEL}', run.id) FROM run
""")
# The record ends what no executor has as one of them would.
TAKE = text("UPDATE workflow_runs SET executor = :executor, taken = true WHERE id = :id")

FAMILY = text("""
WITH RECURSIVE family AS (
  SELECT id FROM workflow_runs WHERE id = :id
  UNION SELECT child.id FROM workflow_runs AS child JOIN family ON child.parent_run_id = family.id
)
SELECT id FROM family WHERE id <> :id ORDER BY id
""")

BLANK = """jsonb_build_object(
  'status', 'pending', 'input', NULL, 'output', NULL, 'input_omitted', false, 'output_omitted', false, 'error', NULL,
  'started_at', NULL, 'completed_at', NULL, 'items', NULL, 'child_run_id', '', 'compensated', false
)"""
UNASKED = """CASE WHEN jsonb_typeof(kept.step->'approval') = 'object' THEN jsonb_build_object(
  'approval', (kept.step->'approval') || jsonb_build_object(
    'requested_at', NULL, 'expires_at', NULL, 'decision', NULL, 'decided_by', '', 'comment', '', 'decided_at', NULL
  )) ELSE '{}'::jsonb END"""
RETRY = text(f"""
WITH undone AS (
  SELECT count(*) AS number FROM workflow_steps
  WHERE run_id = :id AND status IN {DONE} AND (step->>'compensated')::boolean
), reset AS (
  UPDATE workflow_steps AS kept SET status = 'pending', step = kept.step || {BLANK} || {UNASKED}
    || jsonb_build_object('attempt_group', CAST(:group AS integer))
  WHERE run_id = :id AND (status = 'cancelled' OR (status = 'failed' AND :step IN ('', id))
    OR (status IN {DONE} AND (step->>'compensated')::boolean))
  RETURNING position, step
), numbered AS (
  SELECT row_number() OVER (ORDER BY position) AS number, step FROM reset
), run AS (
  UPDATE workflow_runs AS run SET
    status = 'pending', attempt_group = :group, executor = '', taken = false, completed_at = NULL, output = NULL,
    error = NULL, pausing = false, cancelling = false, compensating = false, reason = '',
    expires_at = clock_timestamp() + make_interval(secs => coalesce(CAST(:seconds AS double precision), run.timeout)),
    completed_steps = run.completed_steps - (SELECT number FROM undone),
    last_sequence = run.last_sequence + 1 + (SELECT count(*) FROM numbered)
  WHERE run.id = :id RETURNING run.*
), growth AS (
  DELETE FROM workflow_growth WHERE run_id = :id
), steps AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail)
  SELECT run.id, run.last_sequence - 1 - (SELECT count(*) FROM numbered) + number, 'step', step FROM run, numbered
), noted AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail)
  SELECT run.id, run.last_sequence, 'run', {TOLD.format("run")} FROM run
)
SELECT pg_notify('{CHANNEL}', run.id) FROM run
""")

DECIDE = text(f"""
WITH kept AS (
  UPDATE workflow_steps SET step = jsonb_set(step, '{{approval}}', (step->'approval') || jsonb_build_object(
    'decision', CAST(:decision AS text), 'decided_by', CAST(:by AS text), 'comment', CAST(:comment AS text),
    'decided_at', clock_timestamp()
  )) WHERE run_id = :id AND id = :step RETURNING step
), run AS (
  UPDATE workflow_runs SET last_sequence = last_sequence + 1 WHERE id = :id RETURNING id, last_sequence
), noted AS (
  INSERT INTO workflow_events (run_id, sequence, kind, detail)
  SELECT run.id, run.last_sequence, 'step', step FROM run, kept
)
SELECT pg_notify('{CHANNEL}', run.id) FROM run
""")
PRUNE = text("""
WITH RECURSIVE doomed AS (
  (SELECT id FROM workflow_runs WHERE completed_at < :before
    AND (parent_run_id = '' OR NOT EXISTS (SELECT FROM workflow_runs AS up WHERE up.id = workflow_runs.parent_run_id))
    ORDER BY completed_at LIMIT :limit)
  UNION SELECT child.id FROM workflow_runs AS child JOIN doomed ON child.parent_run_id = doomed.id
)
DELETE FROM workflow_runs USING doomed WHERE workflow_runs.id = doomed.id RETURNING workflow_runs.id
""")
