-- Every abandonment once, however often it was delivered. Money in dollars (NUMERIC), exact; the micros stay beside it.
SELECT
  *,
  PARSE_NUMERIC('0.000001') * total_cost_micros AS total_cost,
  PARSE_NUMERIC('0.000001') * conversion_value_micros AS conversion_value,
  PARSE_NUMERIC('0.000001') * penalty_amount_micros AS penalty_amount,
  PARSE_NUMERIC('0.000001') * opportunity_cost_micros AS opportunity_cost,
  PARSE_NUMERIC('0.000001') * total_penalty_micros AS total_penalty
FROM `${dataset}.journey_abandonments`
WHERE TRUE
-- An id has one abandoned_at; with it here, a filter on it reaches the table and leaves out days.
QUALIFY ROW_NUMBER() OVER (PARTITION BY abandonment_id, abandoned_at ORDER BY detected_at, source_offset) = 1
