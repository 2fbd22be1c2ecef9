-- Of abandonments, the shares that returned or converted within the horizon: by those that were watched for so long
-- (mature), and by Kaplan-Meier over all. Abandonments by deadline are counted, explicit ends by reason alone.
WITH watched AS (${watched}),
cases AS (
  SELECT one.dimension, one.value, after.outcome, watched.total_penalty_micros AS micros,
    watched.total_penalty_micros / 1000000.0 AS dollars,
    watched.watched_ms >= ${horizon_ms} AS is_mature,
    -- At one age, what happened goes before what was no longer seen.
    after.age_ms IS NOT NULL AND after.age_ms < ${horizon_ms} AS is_event,
    CASE WHEN after.age_ms < ${horizon_ms} THEN after.age_ms ELSE LEAST(watched.watched_ms, ${horizon_ms}) END AS age_ms
  FROM watched
  CROSS JOIN UNNEST([${keys}]) AS one
  CROSS JOIN UNNEST([
    STRUCT('returned' AS outcome, watched.return_age_ms AS age_ms),
    STRUCT('converted' AS outcome, watched.conversion_age_ms AS age_ms)
  ]) AS after
  WHERE watched.is_by_deadline OR one.dimension = 'reason'
),
counts AS (
  SELECT dimension, value, outcome, COUNT(*) AS abandonments, COUNTIF(is_mature) AS mature,
    COUNTIF(is_mature AND is_event) AS mature_events, SUM(micros) AS penalty_micros,
    SUM(CASE WHEN is_mature THEN micros ELSE 0 END) AS mature_penalty_micros,
    SUM(CASE WHEN is_mature AND is_event THEN micros ELSE 0 END) AS mature_event_penalty_micros
  FROM cases
  GROUP BY dimension, value, outcome
),
steps AS (
  SELECT dimension, value, outcome, age_ms, COUNTIF(is_event) AS events, COUNT(*) AS leaving,
    SUM(CASE WHEN is_event THEN dollars ELSE 0 END) AS event_dollars, SUM(dollars) AS leaving_dollars,
    SUM(CASE WHEN is_event THEN dollars * dollars ELSE 0 END) AS event_squares, SUM(dollars * dollars) AS leaving_squares
  FROM cases
  GROUP BY dimension, value, outcome, age_ms
),
-- At risk at an age: those that leave then or later.
risks AS (
  SELECT dimension, value, outcome, age_ms, events, event_dollars, event_squares,
    SUM(leaving) OVER (PARTITION BY dimension, value, outcome ORDER BY age_ms DESC ROWS UNBOUNDED PRECEDING) AS at_risk,
    SUM(leaving_dollars) OVER (PARTITION BY dimension, value, outcome ORDER BY age_ms DESC ROWS UNBOUNDED PRECEDING) AS dollars_at_risk,
    SUM(leaving_squares) OVER (PARTITION BY dimension, value, outcome ORDER BY age_ms DESC ROWS UNBOUNDED PRECEDING) AS squares_at_risk
  FROM steps
),
hazards AS (
  SELECT dimension, value, outcome, events, event_dollars, event_squares, dollars_at_risk, squares_at_risk,
    events / at_risk AS hazard, at_risk,
    -- Sums of floats: what is left may be a hair above or below.
    CASE WHEN event_dollars > 0 THEN LEAST(event_dollars / dollars_at_risk, 1.0) ELSE 0.0 END AS dollar_hazard
  FROM risks
  WHERE events > 0
),
-- Logarithm of what is left at the horizon, and its variance: Greenwood's, and for dollars the same with weights.
curves AS (
  SELECT dimension, value, outcome,
    MAX(CASE WHEN hazard = 1 THEN 1 ELSE 0 END) AS is_nobody_left,
    MAX(CASE WHEN dollar_hazard > 0.999999999 THEN 1 ELSE 0 END) AS is_nothing_left,
    SUM(CASE WHEN hazard < 1 THEN LN(1 - hazard) ELSE 0 END) AS log_left,
    SUM(CASE WHEN hazard < 1 THEN hazard / (1 - hazard) / at_risk ELSE 0 END) AS variance,
    SUM(CASE WHEN dollar_hazard < 1 THEN LN(1 - dollar_hazard) ELSE 0 END) AS dollar_log_left,
    SUM(
      CASE WHEN dollar_hazard > 0 AND dollar_hazard < 1 THEN (
        event_squares * (1 - 2 * dollar_hazard) + squares_at_risk * dollar_hazard * dollar_hazard
      ) / (dollars_at_risk * dollars_at_risk) / ((1 - dollar_hazard) * (1 - dollar_hazard)) ELSE 0 END
    ) AS dollar_variance
  FROM hazards
  GROUP BY dimension, value, outcome
),
estimates AS (
  SELECT counts.*, curves.is_nobody_left = 1 AS is_nobody_left, curves.log_left,
    SQRT(curves.variance) / NULLIF(ABS(curves.log_left), 0) AS log_error,
    curves.is_nothing_left = 1 AS is_nothing_left, curves.dollar_log_left,
    SQRT(GREATEST(curves.dollar_variance, 0)) / NULLIF(ABS(curves.dollar_log_left), 0) AS dollar_log_error
  FROM counts
  LEFT JOIN curves
    ON curves.dimension = counts.dimension AND curves.value = counts.value AND curves.outcome = counts.outcome
)
-- 95% intervals by log(-log), which keeps them within 0 and 1; where nothing or everything happened, of the binomial.
SELECT dimension, value, outcome, abandonments, mature, abandonments - mature AS still_open, mature_events,
  CASE WHEN mature >= ${enough} THEN mature_events / mature END AS mature_share,
  CASE WHEN mature < ${enough} THEN NULL WHEN is_nobody_left THEN 1.0 ELSE 1 - EXP(COALESCE(log_left, 0)) END AS share,
  CASE
    WHEN mature < ${enough} THEN NULL
    WHEN is_nobody_left THEN POW(0.025, 1 / mature)
    ELSE 1 - EXP(COALESCE(log_left * EXP(-1.959964 * log_error), 0))
  END AS share_low,
  CASE
    WHEN mature < ${enough} THEN NULL
    WHEN is_nobody_left THEN 1.0
    WHEN log_left IS NULL THEN 1 - POW(0.025, 1 / mature)
    ELSE 1 - EXP(log_left * EXP(1.959964 * log_error))
  END AS share_high,
  penalty_micros, mature_penalty_micros, mature_event_penalty_micros,
  CASE WHEN mature >= ${enough} AND mature_penalty_micros > 0 THEN mature_event_penalty_micros / mature_penalty_micros END
    AS mature_penalty_share,
  CASE
    WHEN mature < ${enough} OR mature_penalty_micros = 0 THEN NULL
    WHEN is_nothing_left THEN 1.0
    ELSE 1 - EXP(COALESCE(dollar_log_left, 0))
  END AS penalty_share,
  CASE
    WHEN mature < ${enough} OR mature_penalty_micros = 0 THEN NULL
    WHEN is_nothing_left THEN POW(0.025, 1 / mature)
    ELSE 1 - EXP(COALESCE(dollar_log_left * EXP(-1.959964 * dollar_log_error), 0))
  END AS penalty_share_low,
  CASE
    WHEN mature < ${enough} OR mature_penalty_micros = 0 THEN NULL
    WHEN is_nothing_left THEN 1.0
    WHEN COALESCE(dollar_log_left, 0) = 0 THEN 1 - POW(0.025, 1 / mature)
    ELSE 1 - EXP(dollar_log_left * EXP(1.959964 * dollar_log_error))
  END AS penalty_share_high
FROM estimates
ORDER BY dimension, value, outcome DESC
