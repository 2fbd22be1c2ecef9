-- Abandonments by the policy under which their episode began, and how many were wrong: they came back.
SELECT ended.policy_version, COUNT(*) AS abandonments, SUM(ended.total_cost_micros) AS cost_micros,
  SUM(ended.total_penalty_micros) AS penalty_micros, COUNT(back.abandonment_id) AS returns,
  SUM(CASE WHEN back.abandonment_id IS NULL THEN 0 ELSE ended.total_penalty_micros END) AS returned_penalty_micros
FROM `${dataset}.abandonments` AS ended
LEFT JOIN (
  -- Nothing comes back before it has ended: other days are left out.
  SELECT abandonment_id FROM `${dataset}.lifecycle`
  WHERE kind = 'returned' AND occurred_at >= TIMESTAMP_MILLIS(${since}) GROUP BY abandonment_id
) AS back ON back.abandonment_id = ended.abandonment_id
WHERE ended.abandoned_at >= TIMESTAMP_MILLIS(${since}) AND ended.abandoned_at < TIMESTAMP_MILLIS(${until})
GROUP BY 1
ORDER BY abandonments DESC, policy_version
