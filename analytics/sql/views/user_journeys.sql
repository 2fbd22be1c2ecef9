-- One row a journey: its latest episode and what became of it (open, converted or abandoned), from the lifecycle and the abandonments.
WITH told AS (
  SELECT journey_id, user_id, started_at, occurred_at AS told_at, state, total_cost_micros,
    CASE kind WHEN 'converted' THEN 'converted' ELSE 'open' END AS status,
    CASE kind WHEN 'converted' THEN 1 ELSE 0 END AS is_end,
    CAST(NULL AS STRING) AS abandonment_id, CAST(NULL AS STRING) AS abandonment_reason,
    CAST(NULL AS INT64) AS total_penalty_micros, policy_version
  FROM `${dataset}.lifecycle`
  WHERE kind IN ('started', 'returned', 'converted', 'extended', 'extended_automatically') AND started_at IS NOT NULL
  UNION ALL
  SELECT journey_id, user_id, started_at, abandoned_at AS told_at, state, total_cost_micros,
    'abandoned' AS status, 1 AS is_end,
    abandonment_id, abandonment_reason, total_penalty_micros, policy_version
  FROM `${dataset}.abandonments`
),
latest AS (
  SELECT * FROM told
  WHERE TRUE
  -- Started_at grows strictly from episode to episode; within one, its end is the last word.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY journey_id ORDER BY started_at DESC, is_end DESC, told_at DESC
  ) = 1
),
episodes AS (
  SELECT journey_id, COUNT(DISTINCT started_at) AS episode_count FROM told GROUP BY journey_id
)
SELECT
  latest.journey_id, latest.user_id, latest.status, latest.started_at, latest.told_at, latest.state,
  latest.abandonment_id, latest.abandonment_reason, latest.policy_version, episodes.episode_count,
  latest.total_cost_micros, latest.total_penalty_micros,
  PARSE_NUMERIC('0.000001') * latest.total_cost_micros AS total_cost,
  PARSE_NUMERIC('0.000001') * latest.total_penalty_micros AS total_penalty
FROM latest
JOIN episodes ON latest.journey_id = episodes.journey_id
