package gaelp.journeys.peers;

import java.math.BigDecimal;
import java.math.RoundingMode;

/** The penalty, formula version 1, under the default policy (docs/penalty.md): exact, rounded once, half-even. */
final class Penalty {
    static final long DEFAULT_CONVERSION_VALUE_MICROS = 100_000_000L;

    private static final BigDecimal BASE_RATE = new BigDecimal("0.15");
    private static final BigDecimal DECAY = new BigDecimal("0.8");
    private static final BigDecimal OPPORTUNITY_RATE = new BigDecimal("0.25");
    private static final int MOST_DAYS = 14;

    /** Penalty of a micro of cost, by reason, state and days. */
    private static final BigDecimal[][][] RATES = rates();
    private static final double[] TIME_FACTORS = timeFactors();

    private Penalty() {}

    static long amountMicros(Journey journey) {
        return micros(rate(journey.reason(), journey.state, journey.daysActive()), journey.totalCostMicros);
    }

    static long opportunityCostMicros(double conversionProbability, long conversionValueMicros) {
        // The shortest text that reads back as this double, as in the pure core: 0.05 counts as a twentieth.
        BigDecimal probability = BigDecimal.valueOf(conversionProbability);
        return micros(OPPORTUNITY_RATE.multiply(probability), conversionValueMicros);
    }

    static double timeFactor(long days) {
        return TIME_FACTORS[(int) days];
    }

    private static BigDecimal rate(Reason reason, int state, long days) {
        return RATES[reason.ordinal()][state][(int) days];
    }

    private static long micros(BigDecimal rate, long micros) {
        return rate.multiply(BigDecimal.valueOf(micros)).setScale(0, RoundingMode.HALF_EVEN).longValueExact();
    }

    private static BigDecimal[][][] rates() {
        BigDecimal[][][] rates = new BigDecimal[Reason.values().length][State.ALL.length][MOST_DAYS + 1];
        for (Reason reason : Reason.values()) {
            for (State state : State.ALL) {
                for (int days = 1; days <= MOST_DAYS; days++) {
                    BigDecimal rate = BASE_RATE.add(state.weight).multiply(exactTimeFactor(days));
                    rate = rate.multiply(reason.multiplier);
                    rates[reason.ordinal()][state.ordinal()][days] = rate;
                }
            }
        }
        return rates;
    }

    private static double[] timeFactors() {
        double[] factors = new double[MOST_DAYS + 1];
        for (int days = 1; days <= MOST_DAYS; days++) {
            factors[days] = exactTimeFactor(days).doubleValue();
        }
        return factors;
    }

    private static BigDecimal exactTimeFactor(int days) {
        return BigDecimal.ONE.subtract(DECAY.pow(days));
    }
}
