-- Abandonments by the policy under which their episode began.
SELECT policy_version, COUNT(*) AS abandonments, SUM(total_cost_micros) AS cost_micros,
  SUM(total_penalty_micros) AS penalty_micros,
  SUM(penalty_amount_micros) AS spend_penalty_micros, SUM(opportunity_cost_micros) AS opportunity_micros,
  SUM(CASE WHEN probability_assumed OR value_assumed THEN opportunity_cost_micros ELSE 0 END) AS assumed_micros
FROM `${dataset}.abandonments`
WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
GROUP BY 1
ORDER BY abandonments DESC, policy_version
