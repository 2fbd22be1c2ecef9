-- How journeys ended, how often a timeout was the reason, and how often an abandonment was wrong: its journey came back.
WITH ended AS (
  SELECT COUNT(*) AS abandonments, SUM(CASE WHEN abandonment_reason = 'TIMEOUT' THEN 1 ELSE 0 END) AS timeouts,
    SUM(total_penalty_micros) AS penalty_micros
  FROM `${dataset}.abandonments`
  WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
),
back AS (
  -- By the day of the abandonment, so that both counts are of the same journeys.
  SELECT COUNT(*) AS returns, SUM(wrong.total_penalty_micros) AS returned_penalty_micros
  FROM (
    SELECT abandonment_id FROM `${dataset}.lifecycle`
    -- Nothing comes back before it has ended: other days are left out.
    WHERE kind = 'returned' AND occurred_at >= TIMESTAMP_MILLIS(${since}) GROUP BY abandonment_id
  ) AS came
  JOIN `${dataset}.abandonments` AS wrong ON came.abandonment_id = wrong.abandonment_id
  WHERE wrong.abandoned_at >= TIMESTAMP_MILLIS(${since}) AND wrong.abandoned_at < TIMESTAMP_MILLIS(${until})
),
bought AS (
  SELECT COUNT(*) AS conversions FROM `${dataset}.lifecycle`
  WHERE kind = 'converted' AND occurred_at >= TIMESTAMP_MILLIS(${since}) AND occurred_at < TIMESTAMP_MILLIS(${until})
)
SELECT ended.abandonments, bought.conversions, ended.timeouts, ended.penalty_micros, back.returns, back.returned_penalty_micros
FROM ended CROSS JOIN back CROSS JOIN bought
