"""The SQL of MCP servers. Statuses are ordered from the best to the worst; what a node said holds while it lives."""

from __future__ import annotations

from sqlalchemy import text

STATUSES = "ARRAY['running', 'starting', 'stopped', 'unhealthy', 'failed', 'quarantined']"
HEALTHS = "ARRAY['healthy', '', 'unhealthy']"
WORST = f"array_position({STATUSES}, status) DESC"

STANDING = f"""
SELECT s.id, s.type, s.config, s.secrets, s.wish, s.generation, s.starts, s.grace, s.restarts, s.last_restart,
  s.last_health_check, s.created_at, s.updated_at, jsonb_array_length(s.tools) AS tool_count,
  CASE WHEN s.held_until > clock_timestamp() THEN s.holder ELSE '' END AS holds,
  COALESCE(c.status, CASE WHEN s.wish = 'stop' THEN 'stopped' WHEN s.status = 'quarantined' THEN 'quarantined'
    ELSE 'starting' END) AS stands,
  COALESCE(c.health, s.health_status) AS health,
  CASE WHEN s.wish = 'stop' AND c.status IS NULL THEN '' ELSE COALESCE(c.problem, s.problem) END AS trouble,
  COALESCE(c.nodes, ARRAY[]::text[]) AS nodes
FROM mcp_servers AS s LEFT JOIN LATERAL (
  SELECT (array_agg(status ORDER BY {WORST}))[1] AS status, (array_agg(problem ORDER BY {WORST}))[1] AS problem,
    (array_agg(health_status ORDER BY array_position({HEALTHS}, health_status) DESC))[1] AS health,
    array_agg(node_id) AS nodes
  FROM mcp_server_copies WHERE server_id = s.id AND lives_until > clock_timestamp()
) AS c ON true
"""  # noqa: S608  # constants of this module
ALL = text(f"SELECT * FROM ({STANDING}) AS standing ORDER BY id")  # noqa: S608
ONE = text(f"SELECT * FROM ({STANDING}) AS standing WHERE id = :id")  # noqa: S608
LIST = text(f"""
SELECT * FROM ({STANDING}) AS standing WHERE id > :after AND (:status = '' OR stands = :status)
  AND (:type = '' OR type = :type) AND (:node = '' OR CAST(:node AS text) = ANY(nodes)) ORDER BY id LIMIT :limit
""")  # noqa: S608  # a constant of this module
COPIES = text("""
SELECT * FROM mcp_server_copies WHERE server_id = :id AND lives_until > clock_timestamp() ORDER BY node_id
""")
TOOLS = text("SELECT tools FROM mcp_servers WHERE id = :id")

ADD = text("""
INSERT INTO mcp_servers (id, type, status, config, secrets, wish)
VALUES (:id, :type, :status, CAST(:config AS jsonb), :secrets, :wish) ON CONFLICT (id) DO NOTHING RETURNING id
""")
REPLACE = text("""
UPDATE mcp_servers SET type = :type, status = :status, config = CAST(:config AS jsonb), secrets = :secrets,
  wish = :wish, generation = generation + 1, problem = '', tools = '[]', updated_at = clock_timestamp()
WHERE id = :id
""")
REMOVE = text("DELETE FROM mcp_servers WHERE id = :id RETURNING id")
WISH = text("""
UPDATE mcp_servers SET
  generation = generation + CASE WHEN :restart THEN 1 ELSE 0 END,
  starts = starts + CASE WHEN :wish = 'run' THEN 1 ELSE 0 END,
  status = CASE WHEN :wish = 'stop' THEN 'stopped' WHEN wish = 'stop' OR status = 'quarantined' THEN 'starting'
    ELSE status END,
  problem = CASE WHEN :wish = 'stop' OR status = 'quarantined' THEN '' ELSE problem END,
  wish = :wish, grace = COALESCE(CAST(:grace AS double precision), grace), updated_at = clock_timestamp()
WHERE id = :id RETURNING id
""")
FREED = text("DELETE FROM mcp_server_copies WHERE server_id = :id AND status = 'quarantined'")

HOLD = text("""
UPDATE mcp_servers SET holder = :node, held_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = ANY(CAST(:ids AS text[])) AND config->>'placement' = 'one_node'
  AND (holder IN ('', :node) OR held_until IS NULL OR held_until <= clock_timestamp())
RETURNING id
""")
FORGET = text("""
DELETE FROM mcp_server_copies WHERE (server_id = ANY(CAST(:won AS text[])) AND node_id <> :node)
  OR lives_until < clock_timestamp() - interval '1 day'
""")
KEEP = text("""
UPDATE mcp_server_copies SET lives_until = clock_timestamp() + make_interval(secs => :lease) WHERE node_id = :node
""")
RELEASE = text("""
WITH gone AS (
  DELETE FROM mcp_server_copies WHERE node_id = :node AND server_id = ANY(CAST(:ids AS text[])) RETURNING server_id
), freed AS (
  UPDATE mcp_servers SET holder = '', held_until = NULL WHERE holder = :node AND id = ANY(CAST(:ids AS text[]))
  RETURNING id
) SELECT server_id FROM gone UNION SELECT id FROM freed
""")

TELL = text("""
UPDATE mcp_servers SET restarts = restarts + :restarts, problem = :problem, health_status = :health,
  last_restart = CASE WHEN :restarts > 0 THEN clock_timestamp() ELSE last_restart END,
  last_health_check = CASE WHEN :checked THEN clock_timestamp() ELSE last_health_check END,
  tools = COALESCE(CAST(:tools AS jsonb), tools),
  updated_at = CASE WHEN status <> :status THEN clock_timestamp() ELSE updated_at END,
  status = CASE WHEN wish = 'stop' THEN 'stopped' ELSE :status END
WHERE id = :id AND (config->>'placement' = 'every_node' OR holder = :node) RETURNING id
""")
TELL_COPY = text("""
INSERT INTO mcp_server_copies AS c (server_id, node_id, status, health_status, restarts, started_at, retry_at, problem,
  lives_until)
VALUES (:id, :node, :status, :health, :restarts, CASE WHEN :started THEN clock_timestamp() END,
  clock_timestamp() + make_interval(secs => CAST(:retry_in AS double precision)), :problem,
  clock_timestamp() + make_interval(secs => :lease))
ON CONFLICT (server_id, node_id) DO UPDATE SET status = EXCLUDED.status, health_status = EXCLUDED.health_status,
  restarts = c.restarts + EXCLUDED.restarts, retry_at = EXCLUDED.retry_at, problem = EXCLUDED.problem,
  lives_until = EXCLUDED.lives_until,
  started_at = CASE WHEN :started THEN clock_timestamp() WHEN :status IN ('running', 'unhealthy') THEN c.started_at END
""")
