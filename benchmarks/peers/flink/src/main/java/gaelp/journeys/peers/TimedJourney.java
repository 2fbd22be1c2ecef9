package gaelp.journeys.peers;

/** A journey with the one timer that stands for it. */
public final class TimedJourney extends Journey {
    /** Epoch milliseconds; at the deadline or before it. */
    public long timerAt;

    public TimedJourney() {}
}
