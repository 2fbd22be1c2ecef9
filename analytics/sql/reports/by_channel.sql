-- Abandonments by the channel of their last touchpoint; (none) where it named none, or there was none.
SELECT COALESCE(touched.channel, '(none)') AS channel, COUNT(*) AS abandonments, SUM(ended.total_cost_micros) AS cost_micros,
  SUM(ended.total_penalty_micros) AS penalty_micros,
  SUM(ended.penalty_amount_micros) AS spend_penalty_micros, SUM(ended.opportunity_cost_micros) AS opportunity_micros,
  SUM(CASE WHEN ended.probability_assumed OR ended.value_assumed THEN ended.opportunity_cost_micros ELSE 0 END) AS assumed_micros
FROM `${dataset}.abandonments` AS ended
LEFT JOIN (
  SELECT abandonment_id, channel FROM `${dataset}.last_touches`
  WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
) AS touched ON touched.abandonment_id = ended.abandonment_id
WHERE ended.abandoned_at >= TIMESTAMP_MILLIS(${since}) AND ended.abandoned_at < TIMESTAMP_MILLIS(${until})
GROUP BY 1
ORDER BY penalty_micros DESC, channel
