-- Every abandonment once, however often it was delivered. Money in dollars (NUMERIC), exact; the micros stay beside it.
SELECT
  *,
  total_cost_micros * NUMERIC '0.000001' AS total_cost,
  conversion_value_micros * NUMERIC '0.000001' AS conversion_value,
  penalty_amount_micros * NUMERIC '0.000001' AS penalty_amount,
  opportunity_cost_micros * NUMERIC '0.000001' AS opportunity_cost,
  total_penalty_micros * NUMERIC '0.000001' AS total_penalty
FROM `${dataset}.journey_abandonments`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY abandonment_id ORDER BY detected_at, source_offset) = 1
