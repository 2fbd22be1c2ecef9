-- Abandonments by reason: how many, what was spent on them, what they cost.
SELECT abandonment_reason, COUNT(*) AS abandonments, SUM(total_cost_micros) AS cost_micros,
  SUM(total_penalty_micros) AS penalty_micros,
  SUM(penalty_amount_micros) AS spend_penalty_micros, SUM(opportunity_cost_micros) AS opportunity_micros,
  SUM(CASE WHEN probability_assumed OR value_assumed THEN opportunity_cost_micros ELSE 0 END) AS assumed_micros
FROM `${dataset}.abandonments`
WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
GROUP BY abandonment_reason
ORDER BY penalty_micros DESC, abandonment_reason
