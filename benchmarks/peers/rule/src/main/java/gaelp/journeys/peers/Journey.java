package gaelp.journeys.peers;

/**
 * An open journey, under the default policy: 14 days at most, 72 hours without a touchpoint (docs/rule.md).
 *
 * <p>The rule for touchpoints that come once and in order of time, which is what the benchmark's input holds.
 */
public class Journey {
    static final long HOUR_MS = 3_600_000L;
    static final long DAY_MS = 24 * HOUR_MS;
    private static final long TIMEOUT_MS = 14 * DAY_MS;
    private static final long INACTIVITY_MS = 72 * HOUR_MS;

    public String userId;
    /** Epoch milliseconds, as {@link #lastActivityAt}. */
    public long startedAt;
    public long lastActivityAt;
    public long touchpointCount;
    public long totalCostMicros;
    public int state;
    /** NaN where no touchpoint gave one. */
    public double conversionProbability = Double.NaN;
    /** Negative where no touchpoint gave one. */
    public long conversionValueMicros = -1;

    public Journey() {}

    /** The first instant at which it is no longer open, if nothing more comes. */
    public long deadlineAt() {
        return Math.min(startedAt + TIMEOUT_MS, lastActivityAt + INACTIVITY_MS);
    }

    /** Takes its next touchpoint; the first one opens it. */
    public void apply(Touchpoint touchpoint) {
        if (touchpointCount == 0) {
            userId = touchpoint.userId;
            startedAt = touchpoint.occurredAt;
            state = State.UNAWARE.ordinal();
        }
        lastActivityAt = touchpoint.occurredAt;
        touchpointCount++;
        totalCostMicros += touchpoint.costMicros;
        if (touchpoint.state != State.ABSENT) {
            state = touchpoint.state;
        }
        if (!Double.isNaN(touchpoint.conversionProbability)) {
            conversionProbability = touchpoint.conversionProbability;
        }
        if (touchpoint.conversionValueMicros >= 0) {
            conversionValueMicros = touchpoint.conversionValueMicros;
        }
    }

    Reason reason() {
        return deadlineAt() == startedAt + TIMEOUT_MS ? Reason.TIMEOUT : Reason.INACTIVITY;
    }

    long daysActive() {
        return Math.max(1, (deadlineAt() - startedAt) / DAY_MS);
    }
}
