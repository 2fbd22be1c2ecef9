package gaelp.journeys.peers;

import java.math.BigDecimal;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.util.Utf8;

/** How far a journey has come, with what the default policy makes of it (docs/penalty.md). Records hold ordinals. */
public enum State {
    UNAWARE("0.1", "0.01"),
    AWARE("0.2", "0.05"),
    CONSIDERING("0.5", "0.3"),
    INTENT("0.8", "0.5"),
    CONVERTED("0", "0");

    /** Stands in a touchpoint that says no state. */
    public static final int ABSENT = -1;

    static final State[] ALL = values();
    private static final Map<Utf8, State> BY_NAME = new HashMap<>();

    static {
        for (State state : ALL) {
            BY_NAME.put(new Utf8(state.name()), state);
        }
    }

    final BigDecimal weight;
    final double defaultConversionProbability;

    State(String weight, String defaultConversionProbability) {
        this.weight = new BigDecimal(weight);
        this.defaultConversionProbability = Double.parseDouble(defaultConversionProbability);
    }

    static int ordinalOf(Utf8 name) {
        State state = BY_NAME.get(name);
        if (state == null) {
            throw new IllegalArgumentException("state: " + name + " is not one of the contract");
        }
        return state.ordinal();
    }
}
