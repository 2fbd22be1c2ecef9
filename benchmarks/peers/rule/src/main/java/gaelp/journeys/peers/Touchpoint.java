package gaelp.journeys.peers;

/** What the rule needs of a touchpoint. Public fields and no arguments: that is what Flink serializes fast. */
public final class Touchpoint {
    /** The key of the record in Kafka. */
    public String journeyId;
    public String userId;
    /** Epoch milliseconds. */
    public long occurredAt;
    /** Ordinal of a {@link State}, or {@link State#ABSENT}. */
    public int state;
    public long costMicros;
    /** NaN where there is none. */
    public double conversionProbability;
    /** Negative where there is none. */
    public long conversionValueMicros;

    public Touchpoint() {}

    /** Whether it ends its journey by a purchase. */
    public boolean converts() {
        return state == State.CONVERTED.ordinal();
    }
}
