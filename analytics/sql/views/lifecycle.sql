-- Every lifecycle record once, however often it was delivered. Money in dollars (NUMERIC), exact; the micros stay beside it.
SELECT
  *,
  total_cost_micros * NUMERIC '0.000001' AS total_cost,
  total_penalty_micros * NUMERIC '0.000001' AS total_penalty,
  conversion_value_micros * NUMERIC '0.000001' AS conversion_value,
  cost_micros * NUMERIC '0.000001' AS cost
FROM `${dataset}.journey_lifecycle`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY lifecycle_id ORDER BY detected_at, source_offset) = 1
