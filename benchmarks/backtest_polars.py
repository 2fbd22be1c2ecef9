"""A backtest in polars: the rule as passes over a frame that is sorted by journey.

Right for history in order and without duplicates, under a policy of deadlines alone.
"""

from __future__ import annotations

import polars as pl

from journeys.schemas.instants import DAY_MS
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy

_COLUMNS = ("journey_id", "occurred_at", "state", "cost_micros", "conversion_probability", "conversion_value")
_STATES = pl.Enum(["UNAWARE", "AWARE", "CONSIDERING", "INTENT", "CONVERTED"])


def polars_backtest(path: str, policy: Policy = DEFAULT_POLICY) -> dict[str, int]:
    """Counts of abandonments and conversions, and the penalties in micros as doubles give them."""
    touchpoints = (
        pl.read_parquet(path, columns=list(_COLUMNS))
        .with_columns(
            journey=pl.col("journey_id").cast(pl.Categorical).to_physical(),
            state=pl.col("state").cast(_STATES).to_physical(),
            at=pl.col("occurred_at"),
        )
        .drop("journey_id", "occurred_at")
        .sort("journey", maintain_order=True)
    )
    episodes = _episodes(touchpoints, policy)
    return {
        "abandonments": episodes.filter(pl.col("last_state") != 4).height,
        "conversions": episodes.filter(pl.col("last_state") == 4).height,
        "penalty_micros": int(_penalties(episodes.filter(pl.col("last_state") != 4), policy)),
    }


def _episodes(touchpoints: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    journey, at = pl.col("journey"), pl.col("at")
    begins = (journey != journey.shift(1)) | (at - at.shift(1) >= policy.inactivity_ms)
    converted = (pl.col("state").shift(1) == 4).fill_null(value=False)
    touchpoints = touchpoints.with_columns(begins=begins.fill_null(value=True) | converted)
    while True:
        touchpoints = touchpoints.with_columns(
            episode=pl.col("begins").cum_sum(), started_at=pl.when("begins").then(at).forward_fill()
        ).with_columns(over=at - pl.col("started_at") >= policy.timeout_ms)
        before = pl.col("over").shift(1).fill_null(value=False) & (pl.col("episode") == pl.col("episode").shift(1))
        touchpoints = touchpoints.with_columns(more=pl.col("over") & ~before)
        if not touchpoints["more"].any():
            break
        touchpoints = touchpoints.with_columns(begins=pl.col("begins") | pl.col("more"))
    return (
        touchpoints.group_by("episode")
        .agg(
            started_at=pl.col("started_at").first(),
            last_at=at.last(),
            cost=pl.col("cost_micros").sum(),
            last_state=pl.col("state").last(),
            state=pl.col("state").drop_nulls().last().fill_null(0),
            probability=pl.col("conversion_probability").drop_nulls().last(),
            value=pl.col("conversion_value").drop_nulls().last(),
        )
        .with_columns(last_state=pl.col("last_state").fill_null(pl.col("state")))
    )


def _penalties(episodes: pl.DataFrame, policy: Policy) -> float:
    constants = policy.penalty
    timeout_at = pl.col("started_at") + policy.timeout_ms
    inactive_at = pl.col("last_at") + policy.inactivity_ms
    by_state = list(range(4))
    weights = [float(weight) for weight in constants.state_weight.model_dump().values()][:4]
    defaults = [float(rate) for rate in constants.default_conversion_probability.model_dump().values()]
    days = ((pl.min_horizontal(timeout_at, inactive_at) - pl.col("started_at")) // DAY_MS).clip(1)
    multiplier = pl.when(timeout_at <= inactive_at).then(1.0).otherwise(0.8)
    weight = pl.col("state").replace_strict(by_state, weights, return_dtype=pl.Float64)
    default = pl.col("state").replace_strict(by_state, defaults, return_dtype=pl.Float64)
    penalty = (pl.col("cost") * (0.15 + weight) * (1 - pl.lit(0.8).pow(days)) * multiplier).round()
    value = pl.col("value").fill_null(100.0) * 1e6
    opportunity = (0.25 * pl.col("probability").fill_null(default) * value).round()
    return float(episodes.select((penalty + opportunity).sum()).item())
