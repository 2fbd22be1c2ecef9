-- The last touchpoint of each abandoned episode that had one: where it happened and what it was. Needs journey_touchpoints.
SELECT
  ended.abandonment_id, ended.journey_id, ended.abandoned_at,
  touched.touchpoint_id, touched.occurred_at, touched.channel, touched.event_type
FROM `${dataset}.abandonments` AS ended
-- Late ones and duplicates moved nothing: no abandonment names their time.
JOIN `${dataset}.journey_touchpoints` AS touched
  ON touched.journey_id = ended.journey_id AND touched.occurred_at = ended.last_touchpoint_at
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY ended.abandonment_id, ended.abandoned_at ORDER BY touched.touchpoint_id DESC
) = 1
