-- Penalty from day to day (UTC).
SELECT CAST(DATE(abandoned_at) AS STRING) AS day, COUNT(*) AS abandonments, SUM(total_penalty_micros) AS penalty_micros,
  SUM(CASE WHEN abandonment_reason = 'TIMEOUT' THEN 1 ELSE 0 END) AS timeouts
FROM `${dataset}.abandonments`
WHERE abandoned_at >= TIMESTAMP_MILLIS(${since}) AND abandoned_at < TIMESTAMP_MILLIS(${until})
GROUP BY 1
ORDER BY day
