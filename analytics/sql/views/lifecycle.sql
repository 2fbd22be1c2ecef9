-- Every lifecycle record once, however often it was delivered. Money in dollars (NUMERIC), exact; the micros stay beside it.
SELECT
  *,
  PARSE_NUMERIC('0.000001') * total_cost_micros AS total_cost,
  PARSE_NUMERIC('0.000001') * total_penalty_micros AS total_penalty,
  PARSE_NUMERIC('0.000001') * conversion_value_micros AS conversion_value,
  PARSE_NUMERIC('0.000001') * cost_micros AS cost
FROM `${dataset}.journey_lifecycle`
WHERE TRUE
-- An id has one occurred_at; with it here, a filter on it reaches the table and leaves out days.
QUALIFY ROW_NUMBER() OVER (PARTITION BY lifecycle_id, occurred_at ORDER BY detected_at, source_offset) = 1
