-- Each abandonment with what came after it: how long its journey was watched since, when the next touchpoint was applied
-- (a return, also one behind the cleanup period) and when the journey next converted. Ages are milliseconds from
-- watched_from, which is the abandonment, or the last touchpoint where a deadline was moved to before that.
WITH ended AS (
  SELECT *, abandonment_reason IN ('TIMEOUT', 'INACTIVITY') AS is_by_deadline,
    GREATEST(abandoned_at, COALESCE(last_touchpoint_at, abandoned_at)) AS watched_from
  FROM `${dataset}.abandonments`
  WHERE abandoned_at >= ${since}
),
told AS (
  SELECT * FROM `${dataset}.lifecycle`
  -- What people did is at the clock of their machine.
  WHERE occurred_at >= ${since} AND NOT STARTS_WITH(kind, 'audited_')
),
-- Watched until the last thing that is known of its partition; of files there is one.
seen AS (
  SELECT partition_number, MAX(detected_at) AS watched_until
  FROM (
    SELECT COALESCE(source_partition, -1) AS partition_number, detected_at FROM ended
    UNION ALL
    SELECT COALESCE(source_partition, -1) AS partition_number, detected_at FROM told
  )
  GROUP BY partition_number
),
-- An episode with its begin, if that is told, and the instant up to which touchpoints belong to it or come too late.
spans AS (
  SELECT journey_id, started_at, MAX(kind) AS kind, MAX(closed_at) AS closed_at, MAX(touchpoint_count) AS touchpoint_count
  FROM (
    SELECT journey_id, started_at, CASE kind WHEN 'converted' THEN NULL ELSE kind END AS kind,
      CASE kind WHEN 'converted' THEN occurred_at END AS closed_at, CAST(NULL AS INT64) AS touchpoint_count
    FROM told
    WHERE kind IN ('started', 'returned', 'converted')
    UNION ALL
    SELECT journey_id, started_at, NULL AS kind,
      CASE
        WHEN NOT is_by_deadline THEN abandoned_at
        -- A touchpoint at the deadline itself is behind the end.
        ELSE GREATEST(TIMESTAMP_SUB(abandoned_at, INTERVAL 1 MILLISECOND), COALESCE(last_touchpoint_at, started_at))
      END AS closed_at,
      touchpoint_count
    FROM ended
  )
  GROUP BY journey_id, started_at
),
begun AS (
  SELECT journey_id, started_at, kind, closed_at, touchpoint_count,
    LAG(closed_at) OVER (PARTITION BY journey_id ORDER BY started_at) AS previous_closed_at,
    LEAD(started_at) OVER (PARTITION BY journey_id ORDER BY started_at) AS next_started_at
  FROM spans
),
touched AS (
  SELECT journey_id, touchpoint_id, occurred_at FROM `${dataset}.journey_touchpoints` WHERE occurred_at >= ${since}
),
first_touched AS (SELECT MIN(occurred_at) AS loaded_from FROM touched),
late AS (SELECT DISTINCT journey_id, touchpoint_id FROM told WHERE kind = 'late_touchpoint'),
-- A registration begins an episode, too: its first touchpoint is looked up where touchpoints are loaded.
registered AS (
  SELECT begun.journey_id, begun.started_at,
    -- One at the begin is what began it.
    CASE
      WHEN MAX(CASE WHEN touched.occurred_at = begun.started_at THEN 1 ELSE 0 END) = 1 THEN begun.started_at
      ELSE MIN(touched.occurred_at)
    END AS touched_at
  FROM begun
  JOIN touched ON touched.journey_id = begun.journey_id
    AND (touched.occurred_at >= begun.started_at OR touched.occurred_at > begun.previous_closed_at)
    AND (begun.next_started_at IS NULL OR touched.occurred_at < begun.next_started_at)
    AND (begun.closed_at IS NULL OR touched.occurred_at <= begun.closed_at)
  LEFT JOIN late ON late.journey_id = touched.journey_id AND late.touchpoint_id = touched.touchpoint_id
  WHERE begun.kind = 'started' AND COALESCE(begun.touchpoint_count, 1) > 0 AND late.touchpoint_id IS NULL
  GROUP BY begun.journey_id, begun.started_at
),
parts AS (
  SELECT begun.journey_id, begun.started_at, CAST(NULL AS TIMESTAMP) AS converted_at, CAST(NULL AS TIMESTAMP) AS ended_at,
    CASE
      WHEN begun.kind = 'returned' THEN begun.started_at
      WHEN registered.touched_at IS NOT NULL THEN registered.touched_at
      WHEN begun.touchpoint_count = 0 THEN NULL
      -- Touchpoints of then are not loaded: it is taken for one that began the episode.
      WHEN first_touched.loaded_from IS NULL OR begun.started_at < first_touched.loaded_from THEN begun.started_at
    END AS touched_at
  FROM begun
  LEFT JOIN registered ON registered.journey_id = begun.journey_id AND registered.started_at = begun.started_at
  CROSS JOIN first_touched
  UNION ALL
  SELECT journey_id, started_at, occurred_at AS converted_at, NULL AS ended_at, NULL AS touched_at
  FROM told WHERE kind = 'converted'
  UNION ALL
  SELECT journey_id, started_at, NULL AS converted_at, CASE WHEN is_by_deadline THEN NULL ELSE abandoned_at END AS ended_at,
    NULL AS touched_at
  FROM ended
),
episodes AS (
  SELECT journey_id, started_at, MIN(touched_at) AS touched_at, MIN(converted_at) AS converted_at, MIN(ended_at) AS ended_at
  FROM parts
  GROUP BY journey_id, started_at
),
later AS (
  SELECT journey_id, started_at,
    MIN(touched_at) OVER (
      PARTITION BY journey_id ORDER BY started_at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS touched_at,
    MIN(converted_at) OVER (
      PARTITION BY journey_id ORDER BY started_at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS converted_at,
    MIN(ended_at) OVER (
      PARTITION BY journey_id ORDER BY started_at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS ended_at
  FROM episodes
),
watched AS (
  SELECT ended.abandonment_id, ended.journey_id, ended.abandoned_at, ended.abandonment_reason, ended.is_by_deadline,
    ended.policy_version, ended.state, ended.segment, ended.deadline_rule, ended.total_penalty_micros, ended.watched_from,
    seen.watched_until,
    -- An explicit end of a later episode competes: what comes behind it does not count.
    CASE WHEN later.ended_at < later.touched_at THEN NULL ELSE later.touched_at END AS returned_at,
    CASE WHEN later.ended_at < later.converted_at THEN NULL ELSE later.converted_at END AS converted_at
  FROM ended
  JOIN seen ON seen.partition_number = COALESCE(ended.source_partition, -1)
  JOIN later ON later.journey_id = ended.journey_id AND later.started_at = ended.started_at
)
SELECT *,
  GREATEST(UNIX_MILLIS(watched_until) - UNIX_MILLIS(watched_from), 0) AS watched_ms,
  GREATEST(UNIX_MILLIS(returned_at) - UNIX_MILLIS(watched_from), 0) AS return_age_ms,
  GREATEST(UNIX_MILLIS(converted_at) - UNIX_MILLIS(watched_from), 0) AS conversion_age_ms
FROM watched
