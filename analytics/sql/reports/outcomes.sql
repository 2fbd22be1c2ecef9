-- How journeys ended, and how often a timeout was the reason.
WITH ended AS (
  SELECT COUNT(*) AS abandonments, SUM(CASE WHEN abandonment_reason = 'TIMEOUT' THEN 1 ELSE 0 END) AS timeouts,
    SUM(total_penalty_micros) AS penalty_micros, SUM(penalty_amount_micros) AS spend_penalty_micros,
    SUM(opportunity_cost_micros) AS opportunity_micros,
    SUM(CASE WHEN probability_assumed OR value_assumed THEN opportunity_cost_micros ELSE 0 END) AS assumed_micros
  FROM `${dataset}.abandonments`
  WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
),
bought AS (
  SELECT COUNT(*) AS conversions FROM `${dataset}.lifecycle`
  WHERE kind = 'converted' AND occurred_at >= TIMESTAMP_MILLIS(${since}) AND occurred_at < TIMESTAMP_MILLIS(${until})
)
SELECT ended.abandonments, bought.conversions, ended.timeouts, ended.penalty_micros,
  ended.spend_penalty_micros, ended.opportunity_micros, ended.assumed_micros
FROM ended CROSS JOIN bought
