-- Abandonments by the channel of their last touchpoint, and how many came back; (none) where it named none, or there was none.
SELECT COALESCE(touched.channel, '(none)') AS channel, COUNT(*) AS abandonments, SUM(ended.total_cost_micros) AS cost_micros,
  SUM(ended.total_penalty_micros) AS penalty_micros, COUNT(back.abandonment_id) AS returns,
  SUM(CASE WHEN back.abandonment_id IS NULL THEN 0 ELSE ended.total_penalty_micros END) AS returned_penalty_micros
FROM `${dataset}.abandonments` AS ended
LEFT JOIN (
  SELECT abandonment_id, channel FROM `${dataset}.last_touches`
  WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
) AS touched ON touched.abandonment_id = ended.abandonment_id
LEFT JOIN (
  -- Nothing comes back before it has ended: other days are left out.
  SELECT abandonment_id FROM `${dataset}.lifecycle`
  WHERE kind = 'returned' AND occurred_at >= TIMESTAMP_MILLIS(${since}) GROUP BY abandonment_id
) AS back ON back.abandonment_id = ended.abandonment_id
WHERE ended.abandoned_at >= TIMESTAMP_MILLIS(${since}) AND ended.abandoned_at < TIMESTAMP_MILLIS(${until})
GROUP BY 1
ORDER BY penalty_micros DESC, channel
